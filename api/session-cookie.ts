import type { IncomingHttpHeaders } from 'node:http'

const NAME = 'weir_session'
/** A key of ours is shorter; others are not looked up. */
const CREDENTIAL_CHARS_MAX = 1024
const CREDENTIAL = /^[\w.~+/=-]+$/

/** How long a browser stays signed in without a visit to the sign-in page. */
const SESSION_SECONDS = 12 * 3600

/**
 * The key of a browser that has signed in; undefined when there is none, or when another page may have had the browser send it. The cookie goes with requests
 * of its own site only (`SameSite=Strict`); but another program on this host is the same site, at another port. So a request that says where it comes from
 * must come from here: every browser says so (`Origin`) with whatever is not a plain GET. Behind a proxy that puts a `Host` of its own the browser's word
 * for it counts (`Sec-Fetch-Site`, which no page can set).
 */
export function sessionCredential(headers: IncomingHttpHeaders): string | undefined {
  const { cookie, host, origin } = headers
  if (cookie === undefined) return undefined
  const place = headers['sec-fetch-site']
  if (place !== undefined && place !== 'same-origin' && place !== 'none') return undefined
  const isForeign = origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`
  if (isForeign && place !== 'same-origin') return undefined
  for (const part of cookie.split(';')) {
    const equals = part.indexOf('=')
    if (part.slice(0, equals).trim() !== NAME) continue
    const value = part.slice(equals + 1).trim()
    return value.length <= CREDENTIAL_CHARS_MAX && CREDENTIAL.test(value) ? value : undefined
  }
  return undefined
}

/** The header field that signs a browser in: scripts cannot read the cookie. Undefined for a key that cannot stand in a cookie. */
export function sessionCookie(key: string, isSecure: boolean): string | undefined {
  if (!CREDENTIAL.test(key) || key.length > CREDENTIAL_CHARS_MAX) return undefined
  return cookieText(key, SESSION_SECONDS, isSecure)
}

/** The header field that signs a browser out. */
export function endedSessionCookie(): string {
  return cookieText('', 0, false)
}

function cookieText(value: string, seconds: number, isSecure: boolean): string {
  return `${NAME}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`
}
