import type { PipelineRecord } from './pipeline-record.ts'
import type { Failure, StepKind } from './step.ts'

const NO_OBJECT: Failure = { reason: 'a part of the path is there and is no object' }

/** `{"type":"set","fields":{"env":"prod","tags.team":"web"},"override":true}` */
export const setStep: StepKind = {
  type: 'set',
  onError: 'deadLetter',
  compile(parameters) {
    const override = parameters.boolean('override', true)
    const fields = parameters.entries('fields').map(([name, value]) => {
      return { path: parameters.fieldOf('fields', name), json: JSON.stringify(value) }
    })
    return {
      apply(record) {
        for (const { path, json } of fields) {
          if (!override && record.kind(path) !== undefined) continue
          if (!record.setJson(path, json)) return NO_OBJECT
        }
        return 'next'
      },
    }
  },
}

/** `{"type":"rename","fields":{"usr":"user.name"}}`; what is absent is left alone. */
export const renameStep: StepKind = {
  type: 'rename',
  onError: 'deadLetter',
  compile(parameters) {
    const fields = parameters.entries('fields').map(([name, to]) => {
      if (typeof to !== 'string' || to === '') throw parameters.error(`fields/${name}`, 'must be the new name')
      return { from: parameters.fieldOf('fields', name), to: parameters.fieldOf(`fields/${name}`, to) }
    })
    return {
      apply(record) {
        for (const { from, to } of fields) {
          if (record.kind(from) !== undefined && !record.rename(from, to)) return NO_OBJECT
        }
        return 'next'
      },
    }
  },
}

/** `{"type":"remove","fields":["debug","user.email"]}`; or `keep`: all others at the top level go. */
export const removeStep: StepKind = {
  type: 'remove',
  onError: 'deadLetter',
  compile(parameters) {
    const fields = parameters.fields('fields')
    return {
      apply(record: PipelineRecord) {
        for (const path of fields) record.remove(path)
        return 'next'
      },
    }
  },
}
