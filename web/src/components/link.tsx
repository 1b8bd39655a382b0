import type { ComponentChildren } from 'preact'
import { navigate } from '../router.ts'

interface Props {
  readonly to: string
  readonly class?: string
  readonly title?: string
  readonly 'aria-label'?: string
  readonly 'aria-current'?: 'page'
  readonly onClick?: (event: MouseEvent) => void
  readonly children: ComponentChildren
}

/** A link to a page of this UI: the router follows it; with a modifier key, or another button, the browser does. */
export function Link({ to, children, onClick, ...rest }: Props) {
  return (
    <a
      {...rest}
      href={to}
      onClick={(event) => {
        onClick?.(event)
        const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
        if (event.defaultPrevented || !isPlain) return
        event.preventDefault()
        navigate(to)
      }}
    >
      {children}
    </a>
  )
}
