/** Values that a database of places holds, as far as tests need them. */
export type MmdbValue = string | number | readonly MmdbValue[] | { readonly [name: string]: MmdbValue }

const NODE_BYTES = 6
const ADDRESS_BITS = 128

/**
 * A database in MaxMind's format (https://maxmind.github.io/MaxMind-DB/, version 2.0, IPv6 with IPv4 in its first 96 zeros). Networks are groups of 16
 * bits with their prefix: [[0, 0, 0, 0, 0, 0, 0x0a00, 0], 104] is 10.0.0.0/8. They do not overlap.
 */
export function mmdbFile(
  networks: readonly (readonly [groups: readonly number[], prefix: number, value: MmdbValue])[],
): Buffer {
  const nodes: [number, number][] = [[-1, -1]]
  const data: Buffer[] = []
  let dataBytes = 0
  for (const [groups, prefix, value] of networks) {
    let node = 0
    for (let bit = 0; bit < prefix; bit++) {
      const side = (groups[bit >> 4]! >> (15 - (bit & 15))) & 1
      if (bit === prefix - 1) {
        // Below -1: where its data begins.
        nodes[node]![side] = -2 - dataBytes
        break
      }
      if (nodes[node]![side]! < 0) nodes[node]![side] = nodes.push([-1, -1]) - 1
      node = nodes[node]![side]!
    }
    const bytes = encoded(value)
    data.push(bytes)
    dataBytes += bytes.length
  }
  const tree = Buffer.alloc(nodes.length * NODE_BYTES)
  nodes.forEach((sides, node) => {
    sides.forEach((to, side) => {
      const record = to === -1 ? nodes.length : to < -1 ? nodes.length + 16 + (-2 - to) : to
      tree.writeUIntBE(record, node * NODE_BYTES + side * 3, 3)
    })
  })
  const metadata = encoded({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_790_000_000,
    database_type: 'Weir-Test',
    description: { en: 'made by a test' },
    ip_version: 6,
    languages: ['en'],
    node_count: nodes.length,
    record_size: (NODE_BYTES * 8) / 2,
  })
  const marker = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from('MaxMind.com')])
  return Buffer.concat([tree, Buffer.alloc(ADDRESS_BITS / 8), ...data, marker, metadata])
}

function encoded(value: MmdbValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)])
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(Number.isInteger(value) ? 4 : 8)
    if (Number.isInteger(value)) bytes.writeUInt32BE(value)
    else bytes.writeDoubleBE(value)
    return Buffer.concat([control(Number.isInteger(value) ? 6 : 3, bytes.length), bytes])
  }
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([value.length, 11 - 7]), ...value.map(encoded)])
  const entries = Object.entries(value)
  return Buffer.concat([control(7, entries.length), ...entries.flatMap(([name, one]) => [encoded(name), encoded(one)])])
}

function control(type: number, size: number): Buffer {
  return size < 29 ? Buffer.from([(type << 5) | size]) : Buffer.from([(type << 5) | 29, size - 29])
}
