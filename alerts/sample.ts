import { type ColumnSource, FIELD_HOST, FIELD_LEVEL, FIELD_MESSAGE, FIELD_SERVICE, valueText } from '../base/columns.ts'
import { timestampText } from '../query/row-time.ts'
import type { AlertSample } from './partial.ts'

/** Matching lines that a notification shows. */
export const SAMPLES_MAX = 5
/** UTF-8 of one sample. */
const SAMPLE_BYTES_MAX = 2048
const SHORT_CHARS_MAX = 64
/** So that all of a sample stays within its bytes, whatever its characters. */
const MESSAGE_CHARS_MAX = Math.floor((SAMPLE_BYTES_MAX - 4 * 3 * SHORT_CHARS_MAX) / 3)

/** Reads rows of a source as samples. */
export function sampleReader(source: ColumnSource): (row: number) => AlertSample {
  const textAt = (field: string, row: number, charsMax: number): string | null => {
    const column = source.column(field)
    const text = column === undefined ? undefined : valueText(column, row)
    return text === undefined ? null : text.length > charsMax ? `${text.slice(0, charsMax - 1)}…` : text
  }
  return (row) => ({
    timestamp: timestampText(source.timeMs[row]!, source.timeNs[row]!),
    level: textAt(FIELD_LEVEL, row, SHORT_CHARS_MAX),
    service: textAt(FIELD_SERVICE, row, SHORT_CHARS_MAX),
    host: textAt(FIELD_HOST, row, SHORT_CHARS_MAX),
    message: textAt(FIELD_MESSAGE, row, MESSAGE_CHARS_MAX),
  })
}
