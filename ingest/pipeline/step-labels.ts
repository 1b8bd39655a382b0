import { FieldTarget } from './field-target.ts'
import { ParsedFields } from './parse/parsed-fields.ts'
import type { StepKind } from './step.ts'

/**
 * `{"type":"addLabels","labels":{"team":"web"},"nodeRegion":"region","nodeId":"node"}`: adds texts under `tags` (`target`), and the region and id of the
 * node that takes the record in, under the names given. A node without a region adds none.
 */
export const addLabelsStep: StepKind = {
  type: 'addLabels',
  onError: 'continue',
  compile(parameters, { node }) {
    const labels = new ParsedFields()
    if (parameters.has('labels')) {
      for (const [name, value] of parameters.entries('labels', 64)) {
        parameters.fieldOf(`labels/${name}`, name)
        if (typeof value !== 'string') throw parameters.error(`labels/${name}`, 'must be a string')
        labels.text(name, value)
      }
    } else parameters.value('labels')
    for (const [parameter, fact] of [
      ['nodeRegion', node.region],
      ['nodeId', node.id],
    ] as const) {
      const name = parameters.optionalText(parameter)
      if (name === undefined) continue
      parameters.fieldOf(parameter, name)
      if (fact !== undefined) labels.text(name, fact)
    }
    if (labels.count === 0 && !parameters.has('nodeRegion'))
      throw parameters.error('labels', 'is required', 'Such as {"team":"web"}.')
    const target = new FieldTarget(parameters, true, 'tags')
    return { apply: (record) => target.put(record, labels) ?? 'next' }
  },
}
