import { isIPv4, isIPv6 } from 'node:net'

/** An address as a number; IPv4 in IPv6 (`::ffff:10.0.0.1`) is IPv4. */
export type IpAddress = { readonly bits: 32; readonly value: number } | { readonly bits: 128; readonly value: bigint }

/** Longest texts of addresses, with a zone. */
const CHARS_MAX = 64

/** Undefined for what is no address. A zone (`fe80::1%eth0`) is passed over. */
export function ipAddress(text: string): IpAddress | undefined {
  if (text.length > CHARS_MAX) return undefined
  if (isIPv4(text)) return { bits: 32, value: ipv4Value(text) }
  if (!isIPv6(text)) return undefined
  const value = ipv6Value(text)
  return value >> 32n === 0xffffn ? { bits: 32, value: Number(value & 0xffffffffn) } : { bits: 128, value }
}

function ipv4Value(text: string): number {
  let value = 0
  for (const part of text.split('.')) value = value * 256 + Number(part)
  return value
}

function ipv6Value(text: string): bigint {
  const zone = text.indexOf('%')
  let address = zone < 0 ? text : text.slice(0, zone)
  const tail = address.slice(address.lastIndexOf(':') + 1)
  if (tail.includes('.')) {
    const last = ipv4Value(tail)
    address = `${address.slice(0, -tail.length)}${(last >>> 16).toString(16)}:${(last & 0xffff).toString(16)}`
  }
  const [before = '', after] = address.split('::')
  const head = before === '' ? [] : before.split(':')
  const rest = after === undefined || after === '' ? [] : after.split(':')
  const zeros = Array.from({ length: 8 - head.length - rest.length }, () => '0')
  let value = 0n
  for (const group of after === undefined ? head : [...head, ...zeros, ...rest])
    value = (value << 16n) | BigInt(`0x${group}`)
  return value
}

/** Networks and what is known of them; the narrowest that holds an address counts. */
export class IpTable<T> {
  /** By bits of the address, then length of the prefix, longest first: prefix → value. */
  readonly #by4: { readonly prefix: number; readonly networks: Map<number, T> }[] = []
  readonly #by6: { readonly prefix: number; readonly networks: Map<bigint, T> }[] = []

  /** `network` is an address or a CIDR range; false when it is neither. Of equal networks the last counts. */
  add(network: string, value: T): boolean {
    const slash = network.indexOf('/')
    const address = ipAddress(slash < 0 ? network : network.slice(0, slash))
    if (address === undefined) return false
    const written = slash < 0 ? String(address.bits) : network.slice(slash + 1)
    if (!/^\d{1,3}$/.test(written)) return false
    // A prefix of IPv4 in IPv6 counts the 96 bits before it.
    const isMapped = address.bits === 32 && network.includes(':') && slash >= 0
    const prefix = Number(written) - (isMapped ? 96 : 0)
    if (prefix < 0 || prefix > address.bits) return false
    if (address.bits === 32) networksOf(this.#by4, prefix).set(masked4(address.value, prefix), value)
    else networksOf(this.#by6, prefix).set(masked6(address.value, prefix), value)
    return true
  }

  /** Undefined where `text` is no address or in no network. */
  find(text: string): T | undefined {
    const address = ipAddress(text)
    if (address === undefined) return undefined
    if (address.bits === 32) {
      for (const { prefix, networks } of this.#by4) {
        const value = networks.get(masked4(address.value, prefix))
        if (value !== undefined) return value
      }
      return undefined
    }
    for (const { prefix, networks } of this.#by6) {
      const value = networks.get(masked6(address.value, prefix))
      if (value !== undefined) return value
    }
    return undefined
  }
}

function networksOf<K, T>(
  list: { readonly prefix: number; readonly networks: Map<K, T> }[],
  prefix: number,
): Map<K, T> {
  const known = list.find((one) => one.prefix === prefix)
  if (known !== undefined) return known.networks
  const networks = new Map<K, T>()
  list.push({ prefix, networks })
  list.sort((a, b) => b.prefix - a.prefix)
  return networks
}

function masked4(value: number, prefix: number): number {
  return prefix === 0 ? 0 : (value & (-1 << (32 - prefix))) >>> 0
}

function masked6(value: bigint, prefix: number): bigint {
  const rest = BigInt(128 - prefix)
  return (value >> rest) << rest
}
