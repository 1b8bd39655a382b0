import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { WeirError } from '../base/errors.ts'

/**
 * Without authentication the loopback address is the only wall (X2), and a page that the user's own browser shows stands
 * inside it. So requests that another site made the browser send are refused; and, where the node listens on loopback only, those
 * that a foreign name made it send (DNS rebinding).
 */
export function refuseForeignPages(headers: IncomingHttpHeaders, loopbackOnly: boolean): void {
  const { host } = headers
  if (loopbackOnly && host !== undefined && !isLocalName(hostName(host))) {
    throw new WeirError('forbidden', 'Without authentication this node answers to localhost and addresses only')
  }
  if (isOfOtherOrigin(headers)) {
    throw new WeirError('forbidden', 'Without authentication requests of pages of another origin are refused')
  }
}

/** For WebSockets, which browsers open to any site, with its cookies, and let the page read (RFC 6455, 10.2). */
export function refuseOtherOrigins(headers: IncomingHttpHeaders): void {
  if (isOfOtherOrigin(headers)) throw new WeirError('forbidden', 'A page of another origin must send a key of its own')
}

function isOfOtherOrigin(headers: IncomingHttpHeaders): boolean {
  const { host, origin } = headers
  if (origin === undefined) return false
  return headers['sec-fetch-site'] !== 'same-origin' && origin !== `http://${host}` && origin !== `https://${host}`
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function isLocalName(name: string): boolean {
  return name === '127.0.0.1' || name === 'localhost' || name.endsWith('.localhost') || isIP(name) !== 0
}

/** The name or address of a Host header, without port and brackets. */
function hostName(host: string): string {
  if (host.startsWith('[')) return host.slice(1, host.indexOf(']'))
  const colon = host.indexOf(':')
  return (colon < 0 ? host : host.slice(0, colon)).toLowerCase()
}
