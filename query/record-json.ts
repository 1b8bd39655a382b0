import {
  COLUMN_LEVEL_TEXT,
  COLUMN_OVERFLOW,
  COLUMN_SOURCE_PREFIX,
  type ColumnSource,
  keysOfPath,
  VALUE_ABSENT,
  valueText,
  valueType,
} from '../base/columns.ts'
import { pathTree, type RecordNode, recordTree } from './record-tree.ts'
import { overflowOf } from './row-overflow.ts'
import { timestampText } from './row-time.ts'
import { quote, type ValuePrinter, valueJson, valuePrinter } from './row-value-json.ts'

/** What a record's JSON says that is not in its columns. */
export interface RecordMeta {
  readonly id: string
  /** Time of receipt, milliseconds since the epoch. */
  readonly ingestedAtMs: number
}

/**
 * A record of the API as JSON text: "id", "timestamp", the known fields that are there, the sender's other fields each at its
 * own place and of its own type (S8), "ingestedAt". With `fields` only those, each with all that lies below it.
 *
 * A sender's own `id`, `timestamp` and `ingestedAt`, which ours hide, come under `metadata`. Where a value and fields below
 * it meet in one record, which no single JSON object can bring about, the fields below get keys such as `a.b` beside it.
 *
 * 2 µs for a record of 11 fields (bench/micro/filter.ts): the layout is worked out once for a source.
 */
export function recordJson(source: ColumnSource, row: number, meta: RecordMeta, fields?: readonly string[]): string {
  return layoutOf(source, fields).print(row, meta)
}

interface Layout {
  print(row: number, meta: RecordMeta): string
}

/** Layouts of a source, by the fields chosen. They live as long as the source does, which is as long as its columns. */
const layouts = new WeakMap<ColumnSource, Map<string, Layout>>()
/** Choices of fields remembered for one source. */
const LAYOUTS_PER_SOURCE_MAX = 8

function layoutOf(source: ColumnSource, fields: readonly string[] | undefined): Layout {
  let bySelection = layouts.get(source)
  if (bySelection === undefined) {
    bySelection = new Map()
    layouts.set(source, bySelection)
  }
  const key = fields === undefined ? '' : JSON.stringify(fields)
  let layout = bySelection.get(key)
  if (layout === undefined) {
    layout = createLayout(source, fields)
    if (bySelection.size >= LAYOUTS_PER_SOURCE_MAX) bySelection.clear()
    bySelection.set(key, layout)
  }
  return layout
}

/** Our own members of a record, by their keys in it. */
type OwnKey = 'id' | 'timestamp' | 'ingestedAt'

function createLayout(source: ColumnSource, fields: readonly string[] | undefined): Layout {
  const isChosen = chooser(fields)
  const printer = treePrinter(treeOf(source.columnNames), isChosen, (path, prefix) => {
    const column = source.column(path)
    return column === undefined ? null : valuePrinter(column, prefix)
  })
  const overflow = source.column(COLUMN_OVERFLOW)
  const shows = (key: OwnKey): boolean => isChosen([key]) === 'all'
  const showsId = shows('id')
  const showsTimestamp = shows('timestamp')
  const showsReceipt = shows('ingestedAt')
  return {
    print(row, meta) {
      let json = showsId ? `,"id":${quote(meta.id)}` : ''
      if (showsTimestamp) json += `,"timestamp":"${timestampText(source.timeMs[row]!, source.timeNs[row]!)}"`
      const members =
        overflow === undefined || valueType(overflow, row) === VALUE_ABSENT
          ? printer(row)
          : printOverflowing(source, row, isChosen)
      json += members
      if (showsReceipt) json += `,"ingestedAt":"${timestampText(meta.ingestedAtMs, 0)}"`
      return `{${json.slice(1)}}`
    },
  }
}

/** Trees of the sets of columns met last: those of one service are alike, and each of its blocks has some. */
const trees = new Map<string, RecordNode>()
const TREES_KEPT_MAX = 256
/** Half a surrogate pair, which no name holds. */
const BETWEEN_NAMES = '\ud800'
/** Longer lists of names are few, and take memory. */
const TREE_KEY_CHARS_MAX = 4096

function treeOf(columnNames: readonly string[]): RecordNode {
  const key = columnNames.length + columnNames.join(BETWEEN_NAMES)
  if (key.length > TREE_KEY_CHARS_MAX) return recordTree(columnNames.filter(isField))
  let tree = trees.get(key)
  if (tree === undefined) {
    tree = recordTree(columnNames.filter(isField))
    if (trees.size >= TREES_KEPT_MAX) trees.clear()
    trees.set(key, tree)
  }
  return tree
}

/** The slow way for a record with fields that have no column: a tree of its own. */
function printOverflowing(source: ColumnSource, row: number, isChosen: Chooser): string {
  const values = rowValues(source, row)
  return printValues(values, recordTree([...values.keys()]), isChosen)
}

function isField(name: string): boolean {
  return !name.startsWith('\\@')
}

/** Says of keys in the record whether all below is wanted, some of it, or nothing. */
type Chooser = (keys: readonly string[]) => 'all' | 'some' | 'none'

function chooser(fields: readonly string[] | undefined): Chooser {
  if (fields === undefined) return () => 'all'
  const chosen = fields.map(keysOfPath)
  return (keys) => {
    let answer: 'some' | 'none' = 'none'
    for (const wanted of chosen) {
      const length = Math.min(wanted.length, keys.length)
      let i = 0
      while (i < length && wanted[i] === keys[i]) i++
      if (i < length) continue
      if (wanted.length <= keys.length) return 'all'
      answer = 'some'
    }
    return answer
  }
}

/** Makes the printer of a field's value; null where the field is nowhere. */
type PrinterOf = (path: string, prefix: string) => ValuePrinter | null

/** Prints the members of a tree's root, each with a comma before it. */
function treePrinter(root: RecordNode, isChosen: Chooser, printerOf: PrinterOf): ValuePrinter {
  const printers = childPrinters(root, [], isChosen, printerOf, '')
  return (row) => {
    let json = ''
    for (let i = 0; i < printers.length; i++) json += printers[i]!(row)
    return json
  }
}

/** Prints one member, `,"key":value`, or nothing. `above` leads the key where the value above it is in the way. */
function nodePrinter(
  node: RecordNode,
  keys: readonly string[],
  isChosen: Chooser,
  printerOf: PrinterOf,
  above: string,
): ValuePrinter | null {
  const choice = isChosen(keys)
  if (choice === 'none') return null
  const prefix = `,${quote(above + node.key)}:`
  const own = node.path === null || choice !== 'all' ? null : printerOf(node.path, prefix)
  if (node.children.size === 0) return own
  const within = childPrinters(node, keys, isChosen, printerOf, '')
  const beside = own === null ? [] : childPrinters(node, keys, isChosen, printerOf, `${above}${node.key}.`)
  return (row) => {
    const value = own === null ? '' : own(row)
    const children = value === '' ? within : beside
    let json = ''
    for (let i = 0; i < children.length; i++) json += children[i]!(row)
    if (value !== '') return value + json
    return json === '' ? '' : `${prefix}{${json.slice(1)}}`
  }
}

function childPrinters(
  node: RecordNode,
  keys: readonly string[],
  isChosen: Chooser,
  printerOf: PrinterOf,
  above: string,
): ValuePrinter[] {
  const printers: ValuePrinter[] = []
  for (const child of node.children.values()) {
    const printer = nodePrinter(child, [...keys, child.key], isChosen, printerOf, above)
    if (printer !== null) printers.push(printer)
  }
  return printers
}

/** JSON texts of a row's fields by canonical path, those without a column of their own (S4) included. */
function rowValues(source: ColumnSource, row: number): Map<string, string> {
  const values = new Map<string, string>()
  for (const name of source.columnNames) {
    const column = isField(name) ? source.column(name) : undefined
    if (column === undefined) continue
    const type = valueType(column, row)
    if (type !== VALUE_ABSENT) values.set(name, valueJson(type, valueText(column, row)!))
  }
  for (const entry of overflowOf(source, row)) values.set(entry.path, valueJson(entry.type, entry.text))
  return values
}

function printValues(values: ReadonlyMap<string, string>, tree: RecordNode, isChosen: Chooser): string {
  return treePrinter(tree, isChosen, (path, prefix) => {
    const value = values.get(path)
    return value === undefined ? null : () => prefix + value
  })(0)
}

/**
 * The record as it was sent (S8), apart from the order of keys, insignificant whitespace and the notation of its time, which comes
 * as RFC 3339: known fields under the names they had, the level as it was written.
 */
export function originalJson(source: ColumnSource, row: number): string {
  const values = rowValues(source, row)
  values.set('timestamp', `"${timestampText(source.timeMs[row]!, source.timeNs[row]!)}"`)
  const level = textAt(source, COLUMN_LEVEL_TEXT, row)
  if (level !== undefined) values.set('level', valueJson(valueType(source.column(COLUMN_LEVEL_TEXT)!, row), level))
  for (const name of source.columnNames) {
    if (!name.startsWith(COLUMN_SOURCE_PREFIX)) continue
    const known = name.slice(COLUMN_SOURCE_PREFIX.length)
    const alias = textAt(source, name, row)
    const value = values.get(known)
    if (alias === undefined || value === undefined) continue
    values.delete(known)
    values.set(alias, value)
  }
  return `{${printValues(values, pathTree(values.keys()), () => 'all').slice(1)}}`
}

function textAt(source: ColumnSource, name: string, row: number): string | undefined {
  const column = source.column(name)
  return column === undefined ? undefined : valueText(column, row)
}
