import { hashText, mix32 } from '../../base/hash.ts'
import { fieldPath } from './field-path.ts'
import type { PipelineRecord } from './pipeline-record.ts'
import type { Step, StepContext, StepKind } from './step.ts'

const TIMESTAMP = fieldPath('timestamp')
/** Keys remembered by a step: about 6 MB. */
const SEEN_MAX = 100_000
/** Records that wait for repeats, so that the first of them can say how many there were. */
const HELD_MAX = 256
const SECOND_SEED = 0x51ed270b | 0

interface Held {
  readonly record: PipelineRecord
  count: number
}

/**
 * `{"type":"dedup","windowSeconds":60}`: of records with the same timestamp, message and service (`fields`) the first is kept; `countField` says for how many it
 * stands. Records without a timestamp of their own are left alone.
 *
 * What was stored is remembered for the window, by the thread that took it in; a repeat that reaches another thread or node is not noticed. Only requests
 * that were stored count, so that a retry of one that was not is kept.
 */
export const dedupStep: StepKind = {
  type: 'dedup',
  onError: 'continue',
  compile(parameters, { clock }) {
    const windowMs = parameters.number('windowSeconds', 1, 86_400, 60) * 1000
    const countField = parameters.field('countField', 'repeatCount')
    const fields = parameters.optionalFields('fields') ?? ['timestamp', 'message', 'service'].map(fieldPath)
    const needsTime = fields.some(({ known }) => known === TIMESTAMP.known)
    /** Key → when it is forgotten; in the order of that. */
    const seen = new Map<number, number>()
    const forRequest = (): Step => {
      const held = new Map<number, Held>()
      const passed = new Set<number>()
      const letGo = (key: number, { record, count }: Held, context: StepContext) => {
        held.delete(key)
        if (passed.size < SEEN_MAX) passed.add(key)
        if (count > 1) record.setJson(countField, String(count))
        context.emit(record)
      }
      return {
        apply(record, context) {
          if (needsTime && record.text(TIMESTAMP) === undefined) return 'next'
          const key = keyOf(record, fields)
          const same = held.get(key)
          if (same !== undefined) {
            same.count++
            return 'drop'
          }
          if (passed.has(key)) return 'drop'
          const forgottenMs = seen.get(key)
          if (forgottenMs !== undefined && forgottenMs > clock.monotonicMs()) return 'drop'
          if (held.size >= HELD_MAX) {
            const [oldest, first] = held.entries().next().value!
            letGo(oldest, first, context)
          }
          held.set(key, { record, count: 1 })
          return 'hold'
        },
        end(context) {
          for (const [key, one] of held) letGo(key, one, context)
        },
        stored() {
          const nowMs = clock.monotonicMs()
          for (const key of passed) {
            seen.delete(key)
            seen.set(key, nowMs + windowMs)
          }
          for (const [key, forgottenMs] of seen) {
            if (forgottenMs > nowMs && seen.size <= SEEN_MAX) break
            seen.delete(key)
          }
        },
      }
    }
    return { ...forRequest(), forRequest }
  },
}

/** 53 bits over the fields. At a thousand records a second, one in three years is taken for another of the 100,000 that are remembered. */
function keyOf(record: PipelineRecord, fields: readonly (typeof TIMESTAMP)[]): number {
  let one = 0
  let other = SECOND_SEED
  for (const field of fields) {
    const text = record.json(field) ?? ''
    one = mix32(hashText(text, one))
    other = mix32(hashText(text, other) + text.length)
  }
  return (one >>> 0) * 2 ** 21 + (other >>> 11)
}
