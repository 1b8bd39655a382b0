import UAParser from 'my-ua-parser'

/** Longer texts are no user agents; the parser's expressions take 2.5 ms at worst on 500 characters. */
const CHARS_MAX = 384
/** Of the most recent ones; a parse takes about 30 µs. */
const KEPT_MAX = 4096

/** What a text of `User-Agent` says, as pairs of names and texts; what it does not say is absent. */
export type UserAgent = readonly (readonly [name: string, text: string])[]

const kept = new Map<string, UserAgent>()

export function userAgentOf(text: string): UserAgent {
  const ua = text.slice(0, CHARS_MAX)
  let known = kept.get(ua)
  if (known !== undefined) {
    kept.delete(ua)
  } else {
    if (kept.size >= KEPT_MAX) kept.delete(kept.keys().next().value!)
    const { browser, os, device } = UAParser(ua)
    const pairs: readonly (readonly [string, string | undefined])[] = [
      ['name', browser.name],
      ['version', browser.version],
      ['os', os.name],
      ['osVersion', os.version],
      ['device', device.type],
      ['deviceVendor', device.vendor],
      ['deviceModel', device.model],
    ]
    known = pairs.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value] as const]))
  }
  // At the end again: the first of the map is the one not used for longest.
  kept.set(ua, known)
  return known
}
