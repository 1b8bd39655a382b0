import { keysOfPath } from '../../base/columns.ts'
import { KNOWN_NAMES } from '../known-fields.ts'

/** A field as a step names it, taken apart once, when the step is compiled. */
export interface FieldPath {
  /** As it was written: a canonical path (base/columns.ts), `a.b` for {"a":{"b":…}}. */
  readonly text: string
  /** Keys from the outside in; of a known field, under its own name. */
  readonly keys: readonly string[]
  /** KNOWN_* when the path is the own name of a known field: it is then found under whatever alias it came; else -1. */
  readonly known: number
}

const OWN_NAMES: ReadonlyMap<string, number> = new Map(KNOWN_NAMES.map((names, field) => [names[0]!, field]))

/** KNOWN_* → keys of its names, in order of preference. */
export const KNOWN_KEYS: readonly (readonly (readonly string[])[])[] = KNOWN_NAMES.map((names) => names.map(keysOfPath))

/** `text` is a canonical path; `message`, `level`, `service`, `timestamp`, `host`, `traceId` and `spanId` stand for their aliases too. */
export function fieldPath(text: string): FieldPath {
  return { text, keys: keysOfPath(text), known: OWN_NAMES.get(text) ?? -1 }
}
