import { hashText, mix32 } from '../../base/hash.ts'
import { LEVEL_ERROR, LEVEL_NAMES } from '../level.ts'
import { fieldPath } from './field-path.ts'
import type { PipelineRecord } from './pipeline-record.ts'
import { levelIndex, levelOf } from './record-level.ts'
import type { StepKind } from './step.ts'
import { oneOf } from './step-parameters.ts'

const MESSAGE = fieldPath('message')
const TIMESTAMP = fieldPath('timestamp')

/**
 * `{"type":"sample","rate":0.1,"levels":{"DEBUG":0.01}}`: keeps that share of the records and notes it in `rateField`, by which counts are scaled. Records with
 * the same trace id are all kept or all dropped, on every node and in every service whose rate is the same; of two rates, the lower keeps a part of what the higher
 * keeps. Records of level ERROR and FATAL are always kept.
 */
export const sampleStep: StepKind = {
  type: 'sample',
  onError: 'continue',
  compile(parameters) {
    const rate = parameters.number('rate', 0, 1)
    const by = parameters.field('by', 'traceId')
    const rateField = parameters.field('rateField', 'sampleRate')
    const rates = LEVEL_NAMES.map(() => rate)
    if (parameters.has('levels')) {
      for (const [name, value] of parameters.entries('levels')) {
        const level = levelIndex(name)
        if (level === undefined || level >= LEVEL_ERROR)
          throw parameters.error(
            `levels/${name}`,
            'is no level that is sampled',
            `One of ${oneOf(LEVEL_NAMES.slice(0, LEVEL_ERROR))}.`,
          )
        if (typeof value !== 'number' || !(value >= 0 && value <= 1))
          throw parameters.error(`levels/${name}`, 'is not such a number', 'A number from 0 to 1.')
        rates[level] = value
      }
    } else parameters.value('levels')
    return {
      apply(record) {
        const level = levelOf(record)
        if (level >= LEVEL_ERROR) return 'next'
        const share = rates[level] ?? rate
        if (share === 1) return 'next'
        const key = record.text(by)
        const hash = key === undefined || key === '' ? recordHash(record) : hashText(key.toLowerCase())
        if ((mix32(hash) >>> 0) / 2 ** 32 >= share) return 'drop'
        const before = record.kind(rateField) === 'number' ? Number(record.text(rateField)) : 1
        record.setJson(rateField, String(share * (before > 0 && before <= 1 ? before : 1)))
        return 'next'
      },
    }
  },
}

/** Equal for the same record of the same request, so that a keyed request is sampled alike whenever it comes (D3). */
function recordHash(record: PipelineRecord): number {
  const time = hashText(record.text(TIMESTAMP) ?? '', record.defaults.seed ?? 0)
  return mix32(hashText(record.text(MESSAGE) ?? '', time)) + Math.imul(record.index, 0x9e3779b1)
}
