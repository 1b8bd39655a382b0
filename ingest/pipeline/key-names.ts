import { BACKSLASH, QUOTE } from '../json-text.ts'

/** Keys of records are few; what comes by hostile senders is thrown away with the rest. */
const NAMES_MAX = 4096
const NAME_BYTES_MAX = 64

interface Known {
  readonly bytes: Uint8Array
  readonly name: string
}

/** Names of members, decoded once: a string is made for a key that was not seen before. */
export class KeyNames {
  readonly #known = new Map<number, Known>()

  /** The name of the key source[start, end), with its quotes; `hasEscape` tells whether a backslash is in it. */
  nameOf(source: Buffer, start: number, end: number): string {
    const length = end - start - 2
    if (length > NAME_BYTES_MAX) return decoded(source, start, end)
    let hash = length
    let hasEscape = false
    for (let i = start + 1; i < end - 1; i++) {
      const c = source[i]!
      if (c === BACKSLASH) hasEscape = true
      hash = Math.imul(hash ^ c, 0x01000193)
    }
    if (hasEscape) return decoded(source, start, end)
    const known = this.#known.get(hash)
    if (known !== undefined && isSame(known.bytes, source, start + 1, length)) return known.name
    const name = source.toString('utf8', start + 1, end - 1)
    if (this.#known.size >= NAMES_MAX) this.#known.clear()
    this.#known.set(hash, { bytes: Uint8Array.prototype.slice.call(source, start + 1, end - 1), name })
    return name
  }
}

/** The text of the JSON string source[start, end), quotes included, which is known to be valid. */
export function decoded(source: Buffer, start: number, end: number): string {
  const text = source.toString('utf8', start + 1, end - 1)
  return source[start] === QUOTE && text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text
}

function isSame(bytes: Uint8Array, source: Uint8Array, at: number, length: number): boolean {
  if (bytes.length !== length) return false
  for (let i = 0; i < length; i++) if (bytes[i] !== source[at + i]) return false
  return true
}
