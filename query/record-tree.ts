import {
  FIELD_HOST,
  FIELD_LEVEL,
  FIELD_MESSAGE,
  FIELD_SERVICE,
  FIELD_SPAN_ID,
  FIELD_TAGS,
  FIELD_TRACE_ID,
  keysOfPath,
} from '../base/columns.ts'

/** A key of a record and what lies below it. */
export interface RecordNode {
  readonly key: string
  /** Canonical path of the field whose value stands here; null where there is none. */
  path: string | null
  readonly children: Map<string, RecordNode>
}

/** Keys of ours that a sender's top-level fields of the same name make room for; they go under `metadata` (S8). */
const OWN_KEYS = new Set(['id', 'timestamp', 'ingestedAt'])
const METADATA = 'metadata'

/** The order in which a record shows its top level; others come between these and `metadata`. */
const FIRST_KEYS = [FIELD_LEVEL, FIELD_SERVICE, FIELD_HOST, FIELD_MESSAGE, FIELD_TRACE_ID, FIELD_SPAN_ID, FIELD_TAGS]

/** The root of a tree of keys (its own key means nothing) where each field of `paths` stands where it was sent. */
export function pathTree(paths: Iterable<string>): RecordNode {
  const root = nodeOf('')
  for (const key of FIRST_KEYS) childOf(root, key)
  for (const path of paths) place(root, keysOfPath(path), path)
  return root
}

/** The same, where the fields that our own keys hide stand under `metadata`. */
export function recordTree(paths: readonly string[]): RecordNode {
  const hidden = paths.filter((path) => OWN_KEYS.has(keysOfPath(path)[0]!))
  const root = pathTree(paths.filter((path) => !hidden.includes(path)))
  const metadata = root.children.get(METADATA) ?? nodeOf(METADATA)
  // A sender may have both `id` and `metadata.id`; the one that moved gives way once more, as `metadata.@id`.
  const taken = new Set(metadata.children.keys())
  for (const path of hidden) {
    const [first, ...rest] = keysOfPath(path)
    let key = first!
    while (taken.has(key)) key = `@${key}`
    place(metadata, [key, ...rest], path)
  }
  root.children.delete(METADATA)
  root.children.set(METADATA, metadata)
  return root
}

function nodeOf(key: string): RecordNode {
  return { key, path: null, children: new Map() }
}

function childOf(node: RecordNode, key: string): RecordNode {
  let child = node.children.get(key)
  if (child === undefined) {
    child = nodeOf(key)
    node.children.set(key, child)
  }
  return child
}

function place(root: RecordNode, keys: readonly string[], path: string): void {
  let node = root
  for (const key of keys) node = childOf(node, key)
  node.path = path
}
