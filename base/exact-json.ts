/** Plain data as JSON of which different values have different texts: also infinities, of which JSON makes null. */
export function exactJson(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'number' && !Number.isFinite(inner) ? { number: `${inner}` } : inner,
  )
}
