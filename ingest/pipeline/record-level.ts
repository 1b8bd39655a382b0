import { detectLevel, LEVEL_NAMES, LEVEL_UNKNOWN, levelOfSeverityNumber, levelOfText } from '../level.ts'
import { fieldPath } from './field-path.ts'
import type { PipelineRecord } from './pipeline-record.ts'

const LEVEL = fieldPath('level')
const MESSAGE = fieldPath('message')
const SEVERITY_NUMBER = { text: 'severity_number', keys: ['severity_number'], known: -1 }
/** A level has few letters, and a message names its own at the beginning. */
const SCRATCH_BYTES = 512
const CHARS_MAX = Math.floor(SCRATCH_BYTES / 3)
const scratch = new Uint8Array(SCRATCH_BYTES)
const encoder = new TextEncoder()

/** Level that a text names (an index of LEVEL_NAMES), else LEVEL_UNKNOWN. */
export function levelNamedBy(text: string): number {
  if (text.length > CHARS_MAX) return LEVEL_UNKNOWN
  return levelOfText(scratch, 0, encoder.encodeInto(text, scratch).written)
}

/** Level of a record as the scanner will see it: its own, or the one that its message names; else LEVEL_UNKNOWN. */
export function levelOf(record: PipelineRecord): number {
  const own = record.text(LEVEL)
  if (own !== undefined && own.length <= CHARS_MAX) {
    const { written } = encoder.encodeInto(own, scratch)
    const isSeverityNumber = record.text(SEVERITY_NUMBER) === own
    const level = isSeverityNumber ? levelOfSeverityNumber(scratch, 0, written) : levelOfText(scratch, 0, written)
    if (level !== LEVEL_UNKNOWN) return level
  }
  const message = record.text(MESSAGE)
  if (message === undefined) return LEVEL_UNKNOWN
  return detectLevel(scratch, 0, encoder.encodeInto(message.slice(0, CHARS_MAX), scratch).written)
}

/** Index of a level by its name in any case; undefined for others. */
export function levelIndex(name: string): number | undefined {
  const index = LEVEL_NAMES.indexOf(name.toUpperCase())
  return index < 0 ? undefined : index
}
