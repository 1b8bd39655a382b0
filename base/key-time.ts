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
