/** Elements of an array, or entries of an object, that are looked at; the others are taken to be like them. */
const SAMPLED = 32

/** What plain data weighs in memory, about: long arrays are judged by some of their elements. */
export function approximateBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return 16 + value.length
    case 'object':
      break
    default:
      return 8
  }
  if (value === null) return 8
  if (ArrayBuffer.isView(value)) return 64 + value.byteLength
  const elements: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  const step = Math.max(1, Math.floor(elements.length / SAMPLED))
  let looked = 0
  let bytes = 0
  for (let i = 0; i < elements.length; i += step) {
    bytes += approximateBytes(elements[i])
    looked++
  }
  return 32 + (looked === 0 ? 0 : Math.ceil((bytes / looked) * elements.length) + 8 * elements.length)
}
