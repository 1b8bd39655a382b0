import { type FieldPath, fieldPath } from './field-path.ts'
import type { ParsedFields } from './parse/parsed-fields.ts'
import type { PipelineRecord } from './pipeline-record.ts'
import type { Failure } from './step.ts'
import type { StepParameters } from './step-parameters.ts'

const NO_OBJECT: Failure = { reason: 'the target is there and is no object' }
const OVERFULL: Failure = { reason: 'it holds more fields than a record may have' }
/** Names of fields come from senders too. */
const PATHS_KEPT_MAX = 4096

/**
 * Where a step puts what it has found: into the object `target`, or at the top level; over what is there unless `overwrite` is false. Names out of a text
 * (`named` = false) are keys as they stand; names that the author of the pipeline chose are paths, and known fields are found under their aliases.
 */
export class FieldTarget {
  readonly #target: FieldPath | undefined
  readonly #overwrite: boolean
  readonly #isNamed: boolean
  readonly #paths = new Map<string, FieldPath>()

  /** `byDefault`: the target where the definition names none; the top level when it is absent too. */
  constructor(parameters: StepParameters, named: boolean, byDefault?: string) {
    this.#target = byDefault === undefined ? parameters.optionalField('target') : parameters.field('target', byDefault)
    this.#overwrite = parameters.boolean('overwrite', true)
    this.#isNamed = named
  }

  /** Nesting of the object that takes the fields: 1 is the record's own. */
  get depth(): number {
    return 1 + (this.#target?.keys.length ?? 0)
  }

  /** Puts the fields there; `source`, when given, is taken out first. Nothing is changed when it fails. */
  put(record: PipelineRecord, fields: ParsedFields, source?: FieldPath): Failure | undefined {
    if (fields.isOverfull) return OVERFULL
    if (this.#target !== undefined) {
      const kind = record.kind(this.#target)
      if (kind !== undefined && kind !== 'object' && !(source !== undefined && source.text === this.#target.text))
        return NO_OBJECT
    }
    if (source !== undefined) record.remove(source)
    for (let i = 0; i < fields.count; i++) {
      const path = this.#path(fields.names[i]!)
      if (!this.#overwrite && record.kind(path) !== undefined) continue
      const isSet =
        fields.isJson[i] === 1 ? record.setJson(path, fields.values[i]!) : record.setText(path, fields.values[i]!)
      if (!isSet) return NO_OBJECT
    }
    return undefined
  }

  #path(name: string): FieldPath {
    let path = this.#paths.get(name)
    if (path === undefined) {
      const above = this.#target?.keys ?? []
      const own = this.#isNamed ? fieldPath(name) : { text: name, keys: [name], known: -1 }
      path = above.length === 0 ? own : { text: name, keys: [...above, ...own.keys], known: -1 }
      if (this.#paths.size >= PATHS_KEPT_MAX) this.#paths.clear()
      this.#paths.set(name, path)
    }
    return path
  }
}
