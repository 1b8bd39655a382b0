import { fieldPath } from './field-path.ts'
import { rfc3339, timeFormat } from './parse/time-format.ts'
import { TimePatternError } from './parse/time-pattern.ts'
import type { Failure, StepKind } from './step.ts'

const FORMATS_MAX = 32
const NO_TEXT: Failure = { reason: 'there is no text in the field' }
const NO_TIME: Failure = { reason: 'it is a time of none of the formats' }
const NO_OBJECT: Failure = { reason: 'a part of the target is there and is no object' }

/**
 * `{"type":"timestamp","field":"time","formats":["yyyy-MM-dd HH:mm:ss,SSS"],"timezone":"Europe/Berlin"}`: reads a time and makes it the record's,
 * in UTC, to the nanosecond.
 */
export const timestampStep: StepKind = {
  type: 'timestamp',
  onError: 'deadLetter',
  compile(parameters) {
    const field = parameters.field('field', 'timestamp')
    const target = parameters.optionalField('target') ?? fieldPath('timestamp')
    const removesField = parameters.boolean('removeField', false)
    const zone = parameters.optionalText('timezone', 64) ?? 'UTC'
    const names = parameters.optionalTexts('formats', FORMATS_MAX) ?? ['rfc3339', 'epoch']
    const formats = names.map((format, i) => {
      try {
        return timeFormat(format, zone)
      } catch (error) {
        if (error instanceof TimePatternError)
          throw parameters.error(`formats/${i}`, 'is no form of a time', error.message)
        if (error instanceof RangeError)
          throw parameters.error('timezone', 'is not known', 'Such as `Europe/Berlin`, `UTC` or `+02:00`.')
        throw error
      }
    })
    return {
      apply(record) {
        const text = record.text(field)?.trim()
        if (text === undefined) return NO_TEXT
        for (const format of formats) {
          if (!format.parse(text, record.defaults.receivedMs)) continue
          const time = rfc3339(format.ms, format.ns)
          if (time === undefined) continue
          if (!record.setText(target, time)) return NO_OBJECT
          if (removesField && field.text !== target.text) record.remove(field)
          return 'next'
        }
        return NO_TIME
      },
    }
  },
}
