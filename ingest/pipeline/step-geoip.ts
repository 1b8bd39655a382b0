import { FieldTarget } from './field-target.ts'
import { ParsedFields } from './parse/parsed-fields.ts'
import type { Failure, StepKind } from './step.ts'

const NO_DATABASE: Failure = { reason: 'this node has no database of places: the setting geoip.file is not set' }
const fields = new ParsedFields()

/** `{"type":"geoip","field":"clientIp"}`: adds what the database of the setting `geoip.file` says of an address to the object `target`. */
export const geoipStep: StepKind = {
  type: 'geoip',
  onError: 'continue',
  compile(parameters, { geo }) {
    const field = parameters.field('field')
    const target = new FieldTarget(parameters, true, 'geo')
    return {
      apply(record) {
        // Pipelines are of the cluster, the file is of the node.
        if (geo === undefined) return NO_DATABASE
        const address = record.text(field)?.trim()
        const facts = address === undefined ? undefined : geo.find(address)
        if (facts === undefined) return 'next'
        fields.reset()
        for (const [name, value] of Object.entries(facts)) {
          if (typeof value === 'number') fields.json(name, String(value))
          else fields.text(name, value)
        }
        return target.put(record, fields) ?? 'next'
      },
    }
  },
}
