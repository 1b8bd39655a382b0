/** A ULID or a UUID of version 7, alone or before something that sets it apart from what follows. */
const ULID = /^([0-7][0-9a-hjkmnp-tv-z]{9})[0-9a-hjkmnp-tv-z]{16}(?![0-9a-z])/i
const UUID_V7 = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(?![0-9a-z])/i
const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'

/**
 * When an idempotency key was made, ms since the epoch, where it says so: the first 48 bits of a ULID (github.com/ulid/spec) or of a UUIDv7
 * (RFC 9562, 5.7). Undefined for any other key.
 */
export function keyTimeMs(key: string): number | undefined {
  const ulid = ULID.exec(key)
  if (ulid !== null) {
    let timeMs = 0
    for (const char of ulid[1]!.toLowerCase()) timeMs = timeMs * 32 + CROCKFORD.indexOf(char)
    return timeMs
  }
  const uuid = UUID_V7.exec(key)
  return uuid === null ? undefined : Number.parseInt(uuid[1]! + uuid[2]!, 16)
}

/** A UUID of version 7 of a time, ms since the epoch, with 10 bytes, random or not, of which 74 bits are kept. */
export function uuidOfTime(timeMs: number, bytes: Uint8Array): string {
  const time = Math.floor(timeMs).toString(16).padStart(12, '0')
  const rest = Buffer.from(bytes.subarray(0, 10))
  rest[0] = 0x70 | (rest[0]! & 0x0f)
  rest[2] = 0x80 | (rest[2]! & 0x3f)
  const hex = time + rest.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** Whether `text` has the form that `uuidOfTime` gives. */
export function isUuidOfTime(text: string): boolean {
  return text.length === 36 && UUID_V7.test(text)
}
