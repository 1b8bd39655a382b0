import {
  type Column,
  type ColumnSource,
  keysOfPath,
  pathOf,
  VALUE_BOOLEAN,
  VALUE_JSON,
  VALUE_NULL,
  VALUE_NUMBER,
  VALUE_STRING,
  type ValueType,
} from '../base/columns.ts'
import { WeirError } from '../base/errors.ts'
import { detectLevel, LEVEL_INFO, LEVEL_NAMES, levelOfNumber, levelOfText } from '../ingest/level.ts'
import { fieldPath } from '../ingest/pipeline/field-path.ts'
import type { PipelineRecord } from '../ingest/pipeline/pipeline-record.ts'
import type { Members, ValueKind } from '../ingest/pipeline/record-members.ts'
import type { RecordPredicate } from '../ingest/pipeline/step.ts'
import { definitionError } from '../ingest/pipeline/step-parameters.ts'
import { TimestampParser } from '../ingest/timestamp.ts'
import { compileFilter } from '../query/filter.ts'
import { parseQuery } from '../query/parser.ts'

/**
 * A filter of the query language for single records on their way in: it matches what a search would find of the record if it were
 * stored as it is. `path` is where it stands in the definition. Throws invalid_parameter; relative times are those of now.
 */
export function recordFilter(text: string, path: string, nowMs: number): RecordPredicate {
  try {
    const { filter, pipes } = parseQuery(text, { nowMs })
    if (pipes.length > 0) throw definitionError(path, 'is a filter, without pipes')
    const compiled = compileFilter(filter)
    const source = new RecordColumns()
    return {
      matches(record) {
        source.record = record
        return compiled.matchesAll || !compiled.evaluate(source).isEmpty()
      },
    }
  } catch (error) {
    if (!(error instanceof WeirError) || error.code !== 'invalid_query') throw error
    throw definitionError(path, `does not parse: ${error.message}`)
  }
}

const KNOWN = ['level', 'service', 'message', 'host', 'traceId', 'spanId'].map(fieldPath)
const TIMESTAMP = fieldPath('timestamp')
const KNOWN_PATHS = new Map(KNOWN.map((path) => [path.text, path]))
const LEVEL = KNOWN_PATHS.get('level')!
const MESSAGE = KNOWN_PATHS.get('message')!
const TYPES: Readonly<Record<ValueKind, ValueType>> = {
  string: VALUE_STRING,
  number: VALUE_NUMBER,
  boolean: VALUE_BOOLEAN,
  null: VALUE_NULL,
  object: VALUE_JSON,
  array: VALUE_JSON,
}

/** One record as a table of one row. Nothing is looked up before it is asked for. */
class RecordColumns implements ColumnSource {
  readonly rowCount = 1
  record!: PipelineRecord
  readonly #time = new TimestampParser()

  get columnNames(): readonly string[] {
    const names = new Set<string>(['level', 'service'])
    for (const path of KNOWN) if (this.record.kind(path) !== undefined) names.add(path.text)
    addPaths(this.record.members, [], names)
    return [...names]
  }

  get timeMs(): Float64Array {
    this.#readTime()
    return Float64Array.of(this.#time.ms)
  }

  get timeNs(): Uint32Array {
    this.#readTime()
    return Uint32Array.of(this.#time.ns)
  }

  column(name: string): Column | undefined {
    const { record } = this
    if (name.startsWith('\\@')) return undefined
    if (name === 'level') return columnOf(name, VALUE_STRING, this.#level())
    if (name === 'service') return columnOf(name, VALUE_STRING, record.service() ?? 'unknown')
    const path = KNOWN_PATHS.get(name) ?? { text: name, keys: keysOfPath(name), known: -1 }
    const kind = record.kind(path)
    if (kind === undefined) {
      return name === 'host' && record.defaults.hostDefault !== undefined
        ? columnOf(name, VALUE_STRING, record.defaults.hostDefault)
        : undefined
    }
    const text = kind === 'null' ? '' : (record.text(path) ?? record.json(path)!)
    // An object has no value of its own, but the empty one.
    if (kind === 'object' && text.length > 2) return undefined
    return columnOf(name, TYPES[kind], text)
  }

  #level(): string {
    const { record } = this
    const text = record.text(LEVEL)
    const bytes = Buffer.from(text ?? record.text(MESSAGE) ?? '')
    let level = -1
    if (text !== undefined) {
      const isNumber = record.kind(LEVEL) === 'number'
      level = isNumber ? levelOfNumber(bytes, 0, bytes.length) : levelOfText(bytes, 0, bytes.length)
    } else if (bytes.length > 0) level = detectLevel(bytes, 0, bytes.length)
    return LEVEL_NAMES[level] ?? LEVEL_NAMES[LEVEL_INFO]!
  }

  #readTime(): void {
    const { record } = this
    const text = Buffer.from(record.text(TIMESTAMP) ?? '')
    const time = this.#time
    const isRead =
      record.kind(TIMESTAMP) === 'number'
        ? time.parseNumber(text, 0, text.length)
        : text.length > 0 && time.parseText(text, 0, text.length)
    if (isRead) return
    time.ms = record.defaults.receivedMs
    time.ns = 0
  }
}

function addPaths(members: Members, above: readonly string[], names: Set<string>): void {
  for (let i = 0; i < members.count; i++) {
    const member = members.list[i]!
    const keys = [...above, member.name]
    const object = members.objectOf(member)
    if (object !== undefined && object.count > 0) addPaths(object, keys, names)
    else names.add(pathOf(keys))
  }
}

function columnOf(name: string, type: ValueType, text: string): Column {
  const bytes = Buffer.from(text)
  return { kind: 'bytes', name, types: Uint8Array.of(type), offsets: Uint32Array.of(0, bytes.length), bytes }
}
