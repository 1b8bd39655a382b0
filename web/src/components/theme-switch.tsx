import { THEMES, type Theme, theme } from '../theme.ts'
import { Icon, type IconName } from './icon.tsx'

const LOOKS: Readonly<Record<Theme, { readonly icon: IconName; readonly label: string }>> = {
  system: { icon: 'system', label: 'System' },
  light: { icon: 'sun', label: 'Light' },
  dark: { icon: 'moon', label: 'Dark' },
}

/** Goes from theme to theme. */
export function ThemeSwitch() {
  const { icon, label } = LOOKS[theme.value]
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!
  return (
    <button
      type="button"
      class="rail-link"
      aria-label={`Theme: ${label}. Change to ${LOOKS[next].label}`}
      title={`Theme: ${label}`}
      onClick={() => {
        theme.value = next
      }}
    >
      <Icon name={icon} size={20} />
      <span>{label}</span>
    </button>
  )
}
