import { useSignal } from '@preact/signals'
import { after } from '../browser-clock.ts'
import { Icon, type IconName } from './icon.tsx'

interface Props {
  readonly label: string
  readonly text: () => string
  readonly icon?: IconName
  /** Only a picture. */
  readonly isSmall?: boolean
}

const SHOWN_MS = 1500

/** Copies a text, and says so. */
export function CopyButton({ label, text, icon = 'copy', isSmall = false }: Props) {
  const outcome = useSignal<'copied' | 'failed' | undefined>(undefined)
  const copy = async () => {
    outcome.value = await navigator.clipboard.writeText(text()).then(
      () => 'copied' as const,
      () => 'failed' as const,
    )
    after(SHOWN_MS, () => {
      outcome.value = undefined
    })
  }
  const said = outcome.value === 'copied' ? 'Copied' : outcome.value === 'failed' ? 'The browser refused' : label
  return (
    <button
      type="button"
      class={isSmall ? 'search-field-act' : 'button'}
      aria-label={said}
      title={said}
      onClick={() => void copy()}
    >
      <Icon name={outcome.value === 'copied' ? 'check' : icon} size={isSmall ? 13 : 16} />
      {!isSmall && said}
    </button>
  )
}
