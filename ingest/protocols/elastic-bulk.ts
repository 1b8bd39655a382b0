import { WeirError } from '../../base/errors.ts'
import { CLOSE_BRACE, NEWLINE, OPEN_BRACE, SPACE_IN_LINE } from '../json-text.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { jsonKey } from './json-writer.ts'

/** Pairs of action and index of one request; senders have a few. */
const TARGETS_MAX = 10_000
const ITEMS_FIRST = 1024
/** As in Elasticsearch, in bytes there. */
const INDEX_CHARS_MAX = 255

const CHANGES: Refusal = {
  code: 'unsupported_action',
  reason: 'records are only added: use create or index, not update or delete',
}
const NO_DOCUMENT: Refusal = { code: 'invalid_json', reason: 'the document is an empty line' }

const ACTIONS: ReadonlySet<string> = new Set(['create', 'index', 'update', 'delete'])
/** Of a data stream: type-dataset-namespace. */
const DATA_STREAM = /^[a-z]+-([^-]+)-[^-]+$/
/** At the end of an index that is made anew each day or month: -2026.11.21, _2026-11. */
const DATE_AT_END = /[-_.]\d{4}[-._]\d{2}(?:[-._]\d{2})?$/
const ID = jsonKey('_id')

/** What documents are done to, and where. */
interface BulkTarget {
  readonly action: string
  readonly index: string
  /** What documents get before their own members. */
  readonly members: Buffer
}

/** An action line that was understood. */
interface Action {
  readonly target: number
  /** The id that the sender gave. */
  readonly id: string | undefined
}

/** What the answer to a bulk request says of each item beside its status. */
export class BulkItems {
  /** What the first index is about: the service of documents that name none. */
  dataset: string | undefined
  readonly #targets: BulkTarget[] = []
  readonly #numbers = new Map<string, number>()
  #targetOfItem: Uint16Array = new Uint16Array(ITEMS_FIRST)
  #count = 0
  readonly #ids = new Map<number, string>()

  get count(): number {
    return this.#count
  }

  /** Number of the item's target: items of one number are of one action and index. */
  targetOf(item: number): number {
    return this.#targetOfItem[item]!
  }

  target(number: number): BulkTarget {
    return this.#targets[number]!
  }

  /** The id that the sender gave. */
  idOf(item: number): string | undefined {
    return this.#ids.get(item)
  }

  /** Number of a target. Throws invalid_body where they are too many. */
  number(action: string, index: string): number {
    const name = `${action} ${index}`
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.#targets.length
      if (number === TARGETS_MAX) throw malformed(`a request may name ${TARGETS_MAX} indices`)
      const dataset = datasetOf(index)
      this.dataset ??= dataset
      this.#targets.push({ action, index, members: membersOf(index, dataset === this.dataset ? undefined : dataset) })
      this.#numbers.set(name, number)
    }
    return number
  }

  add({ target, id }: Action): void {
    if (this.#count === this.#targetOfItem.length) {
      const larger = new Uint16Array(this.#count * 2)
      larger.set(this.#targetOfItem)
      this.#targetOfItem = larger
    }
    if (id !== undefined) this.#ids.set(this.#count, id)
    this.#targetOfItem[this.#count++] = target
  }
}

/**
 * Decodes the body of an Elasticsearch bulk request: lines of actions, each but `delete` followed by its document. A document becomes a record
 * as it stands, after `_index` and, where the sender gave one, `_id`. `index` is that of actions that name none. Throws invalid_body,
 * as Elasticsearch does, where an action line is not understood: what follows it could be anything.
 */
export function* decodeElasticBulk(
  source: Buffer,
  into: DecodedBody,
  items: BulkItems,
  index: string | undefined,
): Decoding {
  const { json } = into
  let last: Action = { target: -1, id: undefined }
  let lastStart = 0
  let lastEnd = 0
  let line = 0
  for (let p = 0; p < source.length; ) {
    if (into.isPauseDue(p)) yield
    const actionStart = p
    let end = lineEnd(source, p)
    p = end + 1
    line++
    end = trimmed(source, actionStart, end)
    if (end === actionStart) continue
    if (!isSame(source, lastStart, lastEnd, actionStart, end)) {
      last = actionOf(source.toString('utf8', actionStart, end), line, items, index)
      lastStart = actionStart
      lastEnd = end
    }
    const { action, members } = items.target(last.target)
    if (action === 'delete') {
      into.refuse(actionStart, end, CHANGES)
      items.add(last)
      continue
    }
    if (p >= source.length) throw malformed(`the action in line ${line} has no document`)
    const start = p
    end = lineEnd(source, p)
    p = end + 1
    line++
    end = trimmed(source, start, end)
    if (action === 'update') into.refuse(start, end, CHANGES)
    else if (end === start) into.refuse(start, end, NO_DOCUMENT)
    else {
      const brace = skipSpace(source, start)
      if (source[brace] === OPEN_BRACE) {
        let member = skipSpace(source, brace + 1)
        into.begin()
        json.jsonLine(members, 0, members.length)
        if (last.id !== undefined) {
          json.key(ID)
          json.string(last.id)
        }
        if (source[member] === CLOSE_BRACE) {
          json.closeObject()
          member++
        }
        if (member < end) json.jsonLine(source, member, end)
      } else json.jsonLine(source, start, end)
      into.endLine(start, end)
    }
    items.add(last)
  }
  if (items.count === 0) throw malformed('request body is required')
  into.serviceDefault = items.dataset
}

/** What an index is about. */
function datasetOf(index: string): string {
  return DATA_STREAM.exec(index)?.[1] ?? index.replace(DATE_AT_END, '')
}

/** `job` is the last of the names that a service may have: any other of the document comes before it. */
function membersOf(index: string, job: string | undefined): Buffer {
  return Buffer.from(JSON.stringify({ _index: index, job }).slice(1, -1))
}

/** Throws invalid_body. */
function actionOf(text: string, line: number, items: BulkItems, index: string | undefined): Action {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw malformed(`line ${line} is no action: ${(error as Error).message.slice(0, 200)}`)
  }
  const entries = typeof parsed === 'object' && parsed !== null ? Object.entries(parsed) : []
  const [action, about] = entries[0] ?? []
  if (entries.length !== 1 || action === undefined || !ACTIONS.has(action) || typeof about !== 'object') {
    throw malformed(`line ${line} is no action; one looks like {"create":{"_index":"logs-app-default"}}`)
  }
  const { _index: named, _id: id } = (about ?? {}) as { readonly _index?: unknown; readonly _id?: unknown }
  const name = named ?? index
  if (typeof name !== 'string' || name === '' || name.length > INDEX_CHARS_MAX) {
    throw malformed(`line ${line}: index is missing or no name of one`)
  }
  return {
    target: items.number(action, name),
    id: typeof id === 'string' || typeof id === 'number' ? String(id) : undefined,
  }
}

function malformed(what: string): WeirError {
  return new WeirError('invalid_body', `Malformed bulk request: ${what}`)
}

function lineEnd(source: Buffer, from: number): number {
  const newline = source.indexOf(NEWLINE, from)
  return newline < 0 ? source.length : newline
}

/** `end` without white space before it. */
function trimmed(source: Buffer, start: number, end: number): number {
  let p = end
  while (p > start && SPACE_IN_LINE[source[p - 1]!] === 1) p--
  return p
}

function skipSpace(source: Buffer, from: number): number {
  let p = from
  while (SPACE_IN_LINE[source[p]!] === 1) p++
  return p
}

function isSame(source: Buffer, aStart: number, aEnd: number, bStart: number, bEnd: number): boolean {
  const length = bEnd - bStart
  if (aEnd - aStart !== length) return false
  // From behind: ids differ there.
  for (let i = length - 1; i >= 0; i--) if (source[aStart + i] !== source[bStart + i]) return false
  return true
}
