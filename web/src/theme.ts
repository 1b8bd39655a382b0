import { computed, effect, signal } from '@preact/signals'
import { remembered } from './settings-store.ts'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

/** What the user chose. */
export const theme = remembered<Theme>('theme', 'system', (value): value is Theme => THEMES.includes(value as Theme))

const systemIsDark = signal(false)

/** What is shown; charts, which draw on a canvas, are drawn again when it changes. */
export const shownTheme = computed<'light' | 'dark'>(() => {
  if (theme.value !== 'system') return theme.value
  return systemIsDark.value ? 'dark' : 'light'
})

/** Keeps `data-theme` of the document, which the style sheets look at. To be called once, before anything is rendered. */
export function startTheme(): void {
  const query = matchMedia('(prefers-color-scheme: dark)')
  systemIsDark.value = query.matches
  query.addEventListener('change', (event) => {
    systemIsDark.value = event.matches
  })
  effect(() => {
    document.documentElement.dataset.theme = shownTheme.value
  })
}

/** A colour of the style sheet as the theme has it now: `cssColour('--level-error')`. */
export function cssColour(name: `--${string}`): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}
