import { KNOWN_MESSAGE, KNOWN_SERVICE, KNOWN_TIMESTAMP } from '../known-fields.ts'
import type { JsonWriter } from '../protocols/json-writer.ts'
import { type FieldPath, KNOWN_KEYS } from './field-path.ts'
import { KeyNames } from './key-names.ts'
import { type Member, Members, type ValueKind } from './record-members.ts'

/** What a request says of records beside their bytes; as in ScanOptions. */
export interface RecordDefaults {
  readonly receivedMs: number
  /** Different for each request, but the same whenever a keyed one comes again (D3); 0 when absent. */
  readonly seed?: number
  /** Keys of the names that the request chose for timestamp and message. */
  readonly timeKeys?: readonly string[]
  readonly messageKeys?: readonly string[]
  readonly serviceDefault?: string
  readonly hostDefault?: string
}

const names = new KeyNames()

/**
 * A record on its way through a pipeline: its members in order, values left as bytes until a step reads or writes them. What no step
 * touches is written as it came (numbers keep their text). Reads and writes name a field by its compiled path (`fieldPath`): a known field is
 * found under whatever alias the sender used, and changed there.
 *
 * Values are given and taken as text or as JSON text on one line; no object of JavaScript is made for a record.
 */
export class PipelineRecord {
  /** Number of the record in its request. */
  index = 0
  /** Bytes of the record as it came. */
  bytes = 0
  /** Tenant that it goes to; undefined: the sender's own. */
  tenant: string | undefined
  defaults: RecordDefaults = { receivedMs: 0 }
  /** Its members, for steps that look at all of them. */
  readonly members = new Members(names)

  /** Takes over the record source[start, end), which is a valid JSON object. The bytes must stay as they are for as long as the record is used. */
  load(source: Buffer, start: number, end: number, index: number, defaults: RecordDefaults): void {
    this.index = index
    this.bytes = end - start
    this.tenant = undefined
    this.defaults = defaults
    this.members.load(source, start, end)
  }

  /** What kind of value the field has; undefined when it is absent. */
  kind(path: FieldPath): ValueKind | undefined {
    const at = this.#find(path)
    return at === undefined ? undefined : at.in.kindOf(at.member)
  }

  /** The text of a string, number or boolean; undefined for a field that is absent, null, an object or an array. */
  text(path: FieldPath): string | undefined {
    const at = this.#find(path)
    if (at === undefined) return undefined
    const kind = at.in.kindOf(at.member)
    if (kind === 'null' || kind === 'object' || kind === 'array') return undefined
    return at.in.textOf(at.member)
  }

  /** The value as JSON text; undefined when the field is absent. */
  json(path: FieldPath): string | undefined {
    const at = this.#find(path)
    return at === undefined ? undefined : at.in.jsonOf(at.member)
  }

  /** Name of the record's service: its own, the request's, or none. */
  service(): string | undefined {
    return this.text(SERVICE) ?? this.defaults.serviceDefault
  }

  /** Sets a string. False when a part of the path is there and is no object: nothing is changed then. */
  setText(path: FieldPath, text: string): boolean {
    return this.#set(path, JSON.stringify(text))
  }

  /** Sets any value: JSON text, known to be valid (a number as it is to be kept, an object, an array). As `setText`. */
  setJson(path: FieldPath, json: string): boolean {
    // Between tokens only: in a string a newline is escaped.
    return this.#set(path, json.includes('\n') ? json.replaceAll('\n', ' ') : json)
  }

  /** Takes the field out; false when it is absent. */
  remove(path: FieldPath): boolean {
    const at = this.#find(path)
    if (at === undefined) return false
    at.in.remove(at.member.name)
    for (const above of at.above) above.isChanged = true
    return true
  }

  /** Moves the value of a field to another path, over what is there. False when `from` is absent or `to` cannot be. */
  rename(from: FieldPath, to: FieldPath): boolean {
    const at = this.#find(from)
    if (at === undefined) return false
    if (from.keys.length === 1 && to.keys.length === 1 && at.above.length === 0) {
      const { member } = at
      const name = to.keys[0]!
      if (member.name === name) return true
      const before = member.name
      this.members.remove(name)
      this.members.setName(member, name)
      this.members.remove(before)
      return true
    }
    const json = at.in.jsonOf(at.member)
    this.remove(from)
    if (this.#put(to.keys, json)) return true
    this.#put(from.keys, json)
    return false
  }

  /** Writes the record as a JSON object on one line, without the newline. */
  writeTo(writer: JsonWriter): void {
    this.members.writeTo(writer)
  }

  /** The record as JSON text. */
  toJson(): string {
    return this.members.json()
  }

  #set(path: FieldPath, json: string): boolean {
    const at = this.#find(path)
    if (at === undefined) return this.#put(path.keys, json)
    at.in.setJson(at.member, json)
    for (const above of at.above) above.isChanged = true
    return true
  }

  #put(keys: readonly string[], json: string): boolean {
    let members = this.members
    const above: Members[] = []
    for (let i = 0; i + 1 < keys.length; i++) {
      const member = members.find(keys[i]!)
      if (member === undefined) {
        const rest = keys.slice(i + 1).reduceRight((inner, key) => `{${JSON.stringify(key)}:${inner}}`, json)
        members.setJson(members.add(keys[i]!), rest)
        for (const one of above) one.isChanged = true
        return true
      }
      const object = members.objectOf(member)
      if (object === undefined) return false
      above.push(members)
      members = object
    }
    const name = keys[keys.length - 1]!
    members.setJson(members.find(name) ?? members.add(name), json)
    for (const one of above) one.isChanged = true
    return true
  }

  #find(path: FieldPath): Place | undefined {
    const { known } = path
    if (known < 0) return this.#at(path.keys)
    const chosen =
      known === KNOWN_TIMESTAMP
        ? this.defaults.timeKeys
        : known === KNOWN_MESSAGE
          ? this.defaults.messageKeys
          : undefined
    if (chosen !== undefined) {
      const at = this.#meaning(chosen, known)
      if (at !== undefined) return at
    }
    const candidates = KNOWN_KEYS[known]!
    // An own name always holds the field, whatever its value is; an alias must bring a scalar.
    const own = this.#at(candidates[0]!)
    if (own !== undefined && (known !== KNOWN_TIMESTAMP || isTime(own))) return own
    for (let i = 1; i < candidates.length; i++) {
      const at = this.#meaning(candidates[i]!, known)
      if (at !== undefined) return at
    }
    return own
  }

  #meaning(keys: readonly string[], known: number): Place | undefined {
    const at = this.#at(keys)
    if (at === undefined) return undefined
    if (known === KNOWN_TIMESTAMP) return isTime(at) ? at : undefined
    const kind = at.in.kindOf(at.member)
    return kind === 'null' || kind === 'object' || kind === 'array' ? undefined : at
  }

  #at(keys: readonly string[]): Place | undefined {
    let members = this.members
    let member = members.find(keys[0]!)
    if (member === undefined) return undefined
    if (keys.length === 1) return { in: members, member, above: NONE }
    const above: Members[] = []
    for (let i = 1; i < keys.length; i++) {
      const object: Members | undefined = members.objectOf(member)
      if (object === undefined) return undefined
      above.push(members)
      members = object
      member = members.find(keys[i]!)
      if (member === undefined) return undefined
    }
    return { in: members, member, above }
  }
}

/** Where a value stands. */
interface Place {
  readonly in: Members
  readonly member: Member
  /** Objects around it, outermost first. */
  readonly above: readonly Members[]
}

const NONE: readonly Members[] = []
const SERVICE: FieldPath = { text: 'service', keys: ['service'], known: KNOWN_SERVICE }

function isTime({ in: members, member }: Place): boolean {
  const kind = members.kindOf(member)
  return kind === 'string' || kind === 'number'
}
