import type { JsonWriter } from './json-writer.ts'

/** Beyond what records may be nested (limits.ts); bounds recursion. */
const DEPTH_MAX = 32
/** An extension that is a time of Fluentd's: seconds and nanoseconds, 32 bits each. */
const EVENT_TIME = 0

/** What stands first in a value: its kind, where its bytes are, and how many values are in it. */
export class MsgpackHead {
  kind: 'nil' | 'boolean' | 'number' | 'text' | 'array' | 'map' | 'time' | 'other' = 'nil'
  /** Of number and boolean; seconds of a time. */
  value: number | bigint | boolean = 0
  nanoseconds = 0
  /** Bytes of text and extensions: [start, end). For the others end is where the next value begins. */
  start = 0
  end = 0
  /** Values directly within: two for each entry of a map. */
  inner = 0

  /** True when the value is text, or bytes. */
  get isText(): boolean {
    return this.kind === 'text'
  }

  /** Reads the head at `p`; false when it does not end before `limit`, or is none. What is in it may reach further for text. */
  read(bytes: Buffer, p: number, limit: number): boolean {
    const c = bytes[p]!
    if (p >= limit || c === 0xc1) return false
    this.inner = 0
    if (c < 0x80) return this.#number(c, p + 1)
    if (c < 0x90) return this.#container('map', (c & 15) * 2, p + 1)
    if (c < 0xa0) return this.#container('array', c & 15, p + 1)
    if (c < 0xc0) return this.#bytes('text', p + 1, c & 31)
    if (c >= 0xe0) return this.#number(c - 256, p + 1)
    const size = SIZES[c - 0xc0]!
    if (p + 1 + size > limit) return false
    const at = p + 1
    switch (c) {
      case 0xc0:
        return this.#set('nil', 0, at)
      case 0xc2:
      case 0xc3:
        return this.#set('boolean', c === 0xc3, at)
      case 0xc4:
      case 0xc5:
      case 0xc6:
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#bytes('text', at + size, bytes.readUIntBE(at, size))
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(bytes, at + size - 1, bytes.readUIntBE(at, size - 1), limit)
      case 0xca:
        return this.#number(bytes.readFloatBE(at), at + 4)
      case 0xcb:
        return this.#number(bytes.readDoubleBE(at), at + 8)
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#number(bytes.readUIntBE(at, size), at + size)
      case 0xcf:
        return this.#number(bytes.readBigUInt64BE(at), at + 8)
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#number(bytes.readIntBE(at, size), at + size)
      case 0xd3:
        return this.#number(bytes.readBigInt64BE(at), at + 8)
      case 0xdc:
      case 0xdd:
        return this.#container('array', bytes.readUIntBE(at, size), at + size)
      case 0xde:
      case 0xdf:
        return this.#container('map', bytes.readUIntBE(at, size) * 2, at + size)
      default:
        return this.#extension(bytes, at, 1 << (c - 0xd4), limit)
    }
  }

  #set(kind: MsgpackHead['kind'], value: number | bigint | boolean, end: number): true {
    this.kind = kind
    this.value = value
    this.end = end
    return true
  }

  #number(value: number | bigint, end: number): true {
    return this.#set('number', value, end)
  }

  #container(kind: 'array' | 'map', inner: number, end: number): true {
    this.inner = inner
    return this.#set(kind, 0, end)
  }

  #bytes(kind: 'text' | 'other', start: number, length: number): true {
    this.start = start
    return this.#set(kind, 0, start + length)
  }

  /** `at` is where the type stands. */
  #extension(bytes: Buffer, at: number, length: number, limit: number): boolean {
    if (at >= limit) return false
    this.#bytes('other', at + 1, length)
    if (bytes[at] !== EVENT_TIME || length !== 8) return true
    if (this.end > limit) return false
    this.nanoseconds = bytes.readUInt32BE(at + 5)
    return this.#set('time', bytes.readUInt32BE(at + 1), at + 9)
  }
}

/** First byte from 0xc0 on → bytes of what says how long or how much it is, or of the number. */
const SIZES = [...[0, 0, 0, 0, 1, 2, 4, 2, 3, 5, 4, 8, 1, 2, 4, 8], ...[1, 2, 4, 8, 1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 2, 4]]

/** Finds where a value ends whose bytes come piece by piece; each byte is looked at once. */
export class MsgpackEnd {
  readonly #head = new MsgpackHead()
  #at = 0
  #missing = 1

  /** Where the value at 0 ends; -1 when it goes on after `limit`. False for what is no value: the byte 0xc1. */
  find(bytes: Buffer, limit: number): number | false {
    const head = this.#head
    while (this.#missing > 0) {
      if (this.#at >= limit) return -1
      if (!head.read(bytes, this.#at, limit)) return bytes[this.#at] === 0xc1 ? false : -1
      this.#at = head.end
      this.#missing += head.inner - 1
    }
    const end = this.#at
    if (end > limit) return -1
    this.#at = 0
    this.#missing = 1
    return end
  }
}

/** Values that are passed in one go; about 1 ms. */
const VALUES_SLICE = 200_000

/** Where the value at `p` ends, -1 when that is not before `limit`. Gives way where there are very many values in it (T2). */
export function* passMsgpack(head: MsgpackHead, bytes: Buffer, p: number, limit: number): Generator<void, number> {
  let at = p
  let missing = 1
  let left = VALUES_SLICE
  while (missing > 0) {
    if (--left === 0) {
      left = VALUES_SLICE
      yield
    }
    if (!head.read(bytes, at, limit)) return -1
    at = head.end
    missing += head.inner - 1
  }
  return at <= limit ? at : -1
}

/** The same for a value that is no longer than a record, in one go. */
export function msgpackEnd(bytes: Buffer, p: number, limit: number): number {
  const head = new MsgpackHead()
  let at = p
  let missing = 1
  while (missing > 0) {
    if (!head.read(bytes, at, limit)) return -1
    at = head.end
    missing += head.inner - 1
  }
  return at <= limit ? at : -1
}

/** Writes the members of the map at `p`, where an object is open; false when it is no map that JSON can show. */
export function writeMsgpackMembers(json: JsonWriter, bytes: Buffer, p: number, limit: number): boolean {
  const head = new MsgpackHead()
  if (!head.read(bytes, p, limit) || head.kind !== 'map') return false
  return writeMembers(json, head, bytes, limit, 1) >= 0
}

/** The members of the map whose head was read last; returns where it ends, -1 when it cannot be shown. */
function writeMembers(json: JsonWriter, head: MsgpackHead, bytes: Buffer, limit: number, depth: number): number {
  let at = head.end
  for (let left = head.inner; left > 0; left -= 2) {
    if (!head.read(bytes, at, limit) || head.end > limit) return -1
    if (head.kind === 'text') json.keyText(bytes, head.start, head.end)
    else if (head.kind === 'number') {
      const name = Buffer.from(String(head.value))
      json.keyText(name, 0, name.length)
    } else return -1
    at = writeValue(json, head, bytes, head.end, limit, depth)
    if (at < 0) return -1
  }
  return at
}

function writeValue(
  json: JsonWriter,
  head: MsgpackHead,
  bytes: Buffer,
  p: number,
  limit: number,
  depth: number,
): number {
  if (depth > DEPTH_MAX || !head.read(bytes, p, limit) || head.end > limit) return -1
  const { kind, end } = head
  if (kind === 'text') json.text(bytes, head.start, end)
  else if (kind === 'number') json.number(head.value as number | bigint)
  else if (kind === 'boolean') json.boolean(head.value as boolean)
  else if (kind === 'time') json.number(nanosecondsOf(head))
  else if (kind === 'map') {
    json.openObject()
    const after = writeMembers(json, head, bytes, limit, depth + 1)
    json.closeObject()
    return after
  } else if (kind === 'array') {
    json.openArray()
    let at = end
    for (let left = head.inner; left > 0 && at >= 0; left--) at = writeValue(json, head, bytes, at, limit, depth + 1)
    json.closeArray()
    return at
  } else json.null()
  return end
}

/** Since the epoch, of a head that is a time. */
export function nanosecondsOf(head: MsgpackHead): bigint {
  return BigInt(head.value as number) * 1_000_000_000n + BigInt(head.nanoseconds)
}
