import { isTenantName } from '../../base/ids.ts'
import { fieldPath } from './field-path.ts'
import type { Failure, StepKind } from './step.ts'

/** `{"type":"filter","keep":"level:error OR slow:true"}`, or `drop` with what is to go. */
export const filterStep: StepKind = {
  type: 'filter',
  onError: 'deadLetter',
  compile(parameters, environment) {
    const keep = parameters.optionalText('keep')
    const drop = parameters.optionalText('drop')
    if ((keep === undefined) === (drop === undefined))
      throw parameters.error('keep', 'or `drop` is required, not both', 'A filter in the query language.')
    const name = keep === undefined ? 'drop' : 'keep'
    const predicate = environment.predicate((keep ?? drop)!, `${parameters.path}/${name}`)
    const isKept = keep !== undefined
    return { apply: (record) => (predicate.matches(record) === isKept ? 'next' : 'drop') }
  },
}

/** `{"type":"drop","if":"path:/healthz"}`: what comes here is not stored. */
export const dropStep: StepKind = {
  type: 'drop',
  onError: 'deadLetter',
  compile: () => ({ apply: () => 'drop' }),
}

const SERVICE = fieldPath('service')
const NO_OBJECT: Failure = { reason: 'the name of the service cannot be set' }

/** `{"type":"route","service":"audit"}`, or `tenant`, where the author may name others. Its pipelines are not those of the new tenant. */
export const routeStep: StepKind = {
  type: 'route',
  onError: 'deadLetter',
  compile(parameters, environment) {
    const service = parameters.optionalText('service', 256)
    const tenant = parameters.optionalText('tenant', 64)
    if (service === undefined && tenant === undefined)
      throw parameters.error('service', 'or `tenant` is required', 'Where the records go.')
    if (service === '') throw parameters.error('service', 'must not be empty')
    if (tenant !== undefined && !isTenantName(tenant)) throw parameters.error('tenant', 'is not the name of a tenant')
    if (tenant !== undefined && tenant !== environment.tenant && !environment.mayNameTenants)
      throw parameters.error('tenant', 'names another tenant', 'Only a key of the whole cluster may do that.')
    return {
      apply(record) {
        if (service !== undefined && !record.setText(SERVICE, service)) return NO_OBJECT
        if (tenant !== undefined) record.tenant = tenant === environment.tenant ? undefined : tenant
        return 'next'
      },
    }
  },
}
