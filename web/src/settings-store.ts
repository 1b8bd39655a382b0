import { effect, type Signal, signal } from '@preact/signals'

const PREFIX = 'weir.'

/**
 * A signal that this browser remembers: what is the user's and not the link's, such as the theme. Values that do not pass `isValid`, from another
 * version or written by hand, are as if there were none; so is a store that the browser withholds.
 */
export function remembered<T>(name: string, initial: T, isValid: (value: unknown) => value is T): Signal<T> {
  const kept = readStored(name)
  const value = signal(isValid(kept) ? kept : initial)
  effect(() => writeStored(name, value.value))
  return value
}

function readStored(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null')
  } catch {
    return null
  }
}

function writeStored(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value))
  } catch {
    // A full or forbidden store: it is remembered until the page is closed.
  }
}
