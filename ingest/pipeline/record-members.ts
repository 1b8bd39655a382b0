import { assert } from '../../base/assert.ts'
import { COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../json-text.ts'
import { MemberWalk } from '../protocols/json-walk.ts'
import { type JsonWriter, jsonKey } from '../protocols/json-writer.ts'
import { decoded, type KeyNames } from './key-names.ts'

export type ValueKind = 'string' | 'number' | 'boolean' | 'null' | 'object' | 'array'

/** One member of an object: as it stands in the source, or as a step has left it. */
export class Member {
  name = ''
  /** It stands at [keyStart, start) with its key, [start, end) its value; -1: no key there, the name is a new one. */
  keyStart = -1
  start = 0
  end = 0
  /** JSON text that has taken the value's place; undefined: the source has it. */
  json: string | undefined
  /** Text of the string, once decoded. */
  text: string | undefined
  /** Members of the value, once one of them was asked for. */
  object: Members | undefined
}

const NUMBER_START = 0x2d

/**
 * The members of one JSON object, in order, values left in the source until a step reads or writes them. The source is known to be
 * valid JSON. No object of JavaScript stands for it, so that no key has a meaning of its own (`__proto__`).
 */
export class Members {
  readonly #names: KeyNames
  source: Buffer = Buffer.alloc(0)
  /** The first `count` are in use. */
  readonly list: Member[] = []
  count = 0
  isChanged = false
  /** The object as it came is source[start, end). */
  start = 0
  end = 0
  readonly #walk = new MemberWalk()

  constructor(names: KeyNames) {
    this.#names = names
  }

  /** Takes over the object source[start, end), braces included. */
  load(source: Buffer, start: number, end: number): void {
    this.source = source
    this.start = start
    this.end = end
    this.count = 0
    this.isChanged = false
    const walk = this.#walk
    walk.open(source, start, end)
    while (walk.next()) {
      const member = this.#next()
      member.name = this.#names.nameOf(source, walk.keyStart, walk.keyEnd)
      member.keyStart = walk.keyStart
      member.start = walk.start
      member.end = walk.end
    }
    assert(!walk.isBroken, 'a record that has passed the scanner is whole')
  }

  /** The last member of that name: of equal keys the last one counts. */
  find(name: string): Member | undefined {
    for (let i = this.count - 1; i >= 0; i--) if (this.list[i]!.name === name) return this.list[i]
    return undefined
  }

  kindOf(member: Member): ValueKind {
    const first = member.json === undefined ? this.source[member.start]! : member.json.charCodeAt(0)
    if (first === QUOTE) return 'string'
    if (first === OPEN_BRACE) return 'object'
    if (first === OPEN_BRACKET) return 'array'
    if (first === NUMBER_START || (first >= 0x30 && first <= 0x39)) return 'number'
    return first === 0x6e ? 'null' : 'boolean'
  }

  /** The text of a string; of any other value, its JSON. */
  textOf(member: Member): string {
    if (this.kindOf(member) !== 'string') return this.jsonOf(member)
    member.text ??=
      member.json === undefined ? decoded(this.source, member.start, member.end) : (JSON.parse(member.json) as string)
    return member.text
  }

  jsonOf(member: Member): string {
    if (member.object?.isChanged === true) return member.object.json()
    return member.json ?? this.source.toString('utf8', member.start, member.end)
  }

  /** The members of a value that is an object; undefined for any other. */
  objectOf(member: Member): Members | undefined {
    if (member.object !== undefined) return member.object
    if (this.kindOf(member) !== 'object') return undefined
    const object = new Members(this.#names)
    if (member.json === undefined) object.load(this.source, member.start, member.end)
    else {
      const bytes = Buffer.from(member.json)
      object.load(bytes, 0, bytes.length)
    }
    member.object = object
    return object
  }

  /** Gives the member a value: JSON text on one line. */
  setJson(member: Member, json: string): void {
    member.json = json
    member.text = undefined
    member.object = undefined
    this.isChanged = true
  }

  setName(member: Member, name: string): void {
    member.name = name
    member.keyStart = -1
    this.isChanged = true
  }

  /** A new member at the end; its value is to be set. */
  add(name: string): Member {
    const member = this.#next()
    member.name = name
    member.keyStart = -1
    member.json = 'null'
    this.isChanged = true
    return member
  }

  /** Takes out all members of that name; false when there is none. */
  remove(name: string): boolean {
    let kept = 0
    for (let i = 0; i < this.count; i++) {
      const member = this.list[i]!
      if (member.name === name) continue
      // Swapped, not overwritten: members are used again for the next record.
      this.list[i] = this.list[kept]!
      this.list[kept++] = member
    }
    if (kept === this.count) return false
    this.count = kept
    this.isChanged = true
    return true
  }

  writeTo(writer: JsonWriter): void {
    const { source, list, count } = this
    if (!this.isChanged) {
      writer.json(source, this.start, this.end)
      return
    }
    writer.openObject()
    for (let i = 0; i < count; i++) {
      const member = list[i]!
      const isObjectChanged = member.object?.isChanged === true
      if (member.keyStart >= 0 && member.json === undefined && !isObjectChanged) {
        // Neighbours that stayed as they came are copied together.
        let { end } = member
        for (; i + 1 < count; i++) {
          const next = list[i + 1]!
          const stayed = next.keyStart > end && next.json === undefined && next.object?.isChanged !== true
          if (!stayed || !isOnlyComma(source, end, next.keyStart)) break
          end = next.end
        }
        writer.json(source, member.keyStart, end)
        continue
      }
      writer.key(keyOf(member.name))
      if (isObjectChanged) member.object!.writeTo(writer)
      else if (member.json !== undefined) writer.jsonText(member.json)
      else writer.json(source, member.start, member.end)
    }
    writer.closeObject()
  }

  json(): string {
    if (!this.isChanged) return this.source.toString('utf8', this.start, this.end)
    const members = this.list.slice(0, this.count)
    return `{${members.map((member) => `${JSON.stringify(member.name)}:${this.jsonOf(member)}`).join(',')}}`
  }

  #next(): Member {
    if (this.count === this.list.length) this.list.push(new Member())
    const member = this.list[this.count++]!
    member.json = undefined
    member.text = undefined
    member.object = undefined
    return member
  }
}

/** Nothing but the comma, and white space, stands between two members: none was taken out there. */
function isOnlyComma(source: Buffer, from: number, to: number): boolean {
  for (let p = from; p < to; p++) if (source[p]! > 0x20 && source[p] !== COMMA) return false
  return true
}

const KEYS_MAX = 1000
const keys = new Map<string, Buffer>()

function keyOf(name: string): Buffer {
  let key = keys.get(name)
  if (key === undefined) {
    key = jsonKey(name)
    if (keys.size >= KEYS_MAX) keys.clear()
    keys.set(name, key)
  }
  return key
}
