import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import './popover.css'

interface Props {
  /** Inside the button. */
  readonly trigger: ComponentChildren
  readonly label: string
  readonly triggerClass?: string
  /** What is shown; `close` shuts it and gives the focus back. */
  readonly children: (close: () => void) => ComponentChildren
  readonly align?: 'start' | 'end'
}

/** A button that opens a panel below itself; Escape, or a click elsewhere, closes it. */
export function Popover({ trigger, label, triggerClass = 'button', children, align = 'start' }: Props) {
  const isOpen = useSignal(false)
  const root = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const id = useId()
  useEffect(() => {
    if (!isOpen.value) return
    const onPointer = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) isOpen.value = false
    }
    document.addEventListener('pointerdown', onPointer)
    root.current?.querySelector<HTMLElement>('.popover [autofocus], .popover button, .popover input')?.focus()
    return () => document.removeEventListener('pointerdown', onPointer)
  }, [isOpen.value, isOpen])
  const close = () => {
    isOpen.value = false
    button.current?.focus()
  }
  return (
    <div
      class="popover-root"
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !isOpen.value) return
        event.stopPropagation()
        close()
      }}
    >
      <button
        type="button"
        ref={button}
        class={triggerClass}
        aria-label={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen.value}
        aria-controls={isOpen.value ? id : undefined}
        onClick={() => {
          isOpen.value = !isOpen.value
        }}
      >
        {trigger}
      </button>
      {isOpen.value && (
        <div class={`popover popover-${align}`} id={id} role="dialog" aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  )
}
