import { userAgentOf } from './enrich/user-agent.ts'
import { FieldTarget } from './field-target.ts'
import { ParsedFields } from './parse/parsed-fields.ts'
import type { StepKind } from './step.ts'

const fields = new ParsedFields()

/** `{"type":"userAgent","field":"agent"}`: adds `name`, `version`, `os`, `osVersion`, `device`, `deviceVendor`, `deviceModel`, as far as they are known, to the object `target`. */
export const userAgentStep: StepKind = {
  type: 'userAgent',
  onError: 'continue',
  compile(parameters) {
    const field = parameters.field('field')
    const target = new FieldTarget(parameters, true, 'client')
    return {
      apply(record) {
        const text = record.text(field)
        if (text === undefined || text === '') return 'next'
        fields.reset()
        for (const [name, value] of userAgentOf(text)) fields.text(name, value)
        return target.put(record, fields) ?? 'next'
      },
    }
  },
}
