import { BlockList, isIP } from 'node:net'

export interface HostAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Addresses of a host name. Rejects where there are none. */
export type ResolveHost = (host: string) => Promise<readonly HostAddress[]>

/** An address, or all of a name's, to which nothing may be sent. */
export class RefusedTarget extends Error {
  override readonly name = 'RefusedTarget'
}

/** [address, prefix] of IANA's special-purpose registries (RFC 6890 and its successors) that are not of the public internet. */
const PRIVATE_4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]
/** Within 2000::/3, outside of which nothing is public: tunnels to other addresses, documentation. */
const PRIVATE_6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]
/** Never, whatever is allowed: they answer with credentials of the machine, or are nobody's. */
const NEVER_4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['169.254.169.254', 32],
  ['169.254.170.2', 32],
  ['169.254.170.23', 32],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
  ['224.0.0.0', 3],
]
const NEVER_6: readonly (readonly [string, number])[] = [
  ['::', 128],
  ['fd00:ec2::254', 128],
  ['fd00:ec2::23', 128],
  ['ff00::', 8],
]

const privateAddresses = blockList(PRIVATE_4, PRIVATE_6)
const neverAddresses = blockList(NEVER_4, NEVER_6)
const publicIpv6 = blockList([], [['2000::', 3]])
const mappedIpv4 = blockList([], [['::ffff:0:0', 96]])

/** Why nothing may be sent to `address`; undefined where it may. `allowPrivate` opens all but addresses of metadata services and groups. */
function refusalOf(address: string, allowPrivate: boolean): string | undefined {
  const family = isIP(address)
  if (family === 0) return 'is no address'
  // A zone names an interface of this machine.
  if (address.includes('%')) return 'names an interface'
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  if (neverAddresses.check(address, kind)) return 'is an address that answers for the machine itself, or for nobody'
  if (allowPrivate) return undefined
  if (privateAddresses.check(address, kind)) return 'is a private address'
  if (family === 6 && (mappedIpv4.check(address, 'ipv6') || !publicIpv6.check(address, 'ipv6'))) {
    return 'is a private address'
  }
  return undefined
}

/**
 * The addresses of `host` (a name, or an address, that of IPv6 perhaps in brackets), every one of them checked. A connection is to be made to these and to no other: a name that
 * is asked twice may answer differently (A4). Throws RefusedTarget, and what `resolve` throws.
 */
export async function checkedAddresses(
  host: string,
  allowPrivate: boolean,
  resolve: ResolveHost,
): Promise<readonly HostAddress[]> {
  const bare = host.replace(/^\[(.*)\]$/, '$1')
  const family = isIP(bare)
  const addresses = family === 0 ? await resolve(bare) : [{ address: bare, family: family as 4 | 6 }]
  for (const { address } of addresses) {
    const refusal = refusalOf(address, allowPrivate)
    if (refusal === undefined) continue
    const shown = family === 0 ? `${bare} (${address})` : bare
    throw new RefusedTarget(`${shown} ${refusal}; alerts.allowPrivateTargets decides about private ones`)
  }
  return addresses
}

function blockList(
  four: readonly (readonly [string, number])[],
  six: readonly (readonly [string, number])[],
): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of four) list.addSubnet(address, prefix, 'ipv4')
  for (const [address, prefix] of six) list.addSubnet(address, prefix, 'ipv6')
  return list
}
