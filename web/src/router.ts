import { computed, signal } from '@preact/signals'

/**
 * Where the user is: a path and parameters, and nothing else. Whatever a page shows follows from them, so that a link, a reload and the back button give the
 * same view.
 */
export interface Place {
  readonly path: string
  readonly params: URLSearchParams
}

type Changes = Readonly<Record<string, string | null | undefined>>

const current = signal<Place>(read())

/** The place; a component that reads its value is rendered again when it changes. */
export const place = computed(() => current.value)

/** Parts of the path between slashes: `/traces/abc` → ['traces', 'abc'], decoded. */
export const segments = computed(() => current.value.path.split('/').filter(Boolean).map(decodedPart))

/** Follows back and forward. To be called once. */
export function startRouter(): void {
  addEventListener('popstate', () => {
    current.value = read()
  })
}

/** Goes to an address of this UI, such as `/traces/abc?from=now-1d`. `replace` leaves no step for the back button. */
export function navigate(address: string, { replace = false }: { replace?: boolean } = {}): void {
  const url = new URL(address, location.origin)
  if (url.pathname + url.search === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', url)
  else history.pushState(null, '', url)
  current.value = read()
}

/** Sets parameters of the place, or takes them away (null, '' and undefined); the others stay. */
export function setParams(changes: Changes, options?: { replace?: boolean }): void {
  navigate(addressWith(changes), options)
}

/** The address that `setParams` would go to; for links. */
export function addressWith(changes: Changes): string {
  return addressOf(current.value.path, { ...Object.fromEntries(current.value.params), ...changes })
}

/** An address from a path and parameters; those without a value are left out. */
export function addressOf(path: string, params: Changes): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, value)
  }
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}

function read(): Place {
  return { path: location.pathname, params: new URLSearchParams(location.search) }
}

function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
