import { WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { SPREAD_SLOTS_MAX } from '../base/limits.ts'

/** How many slots a service has, and had. */
export interface ServiceSpread {
  readonly tenant: TenantId
  readonly service: string
  /** In order, one at least; both numbers rise. Before the first there was one slot. */
  readonly steps: readonly SpreadStep[]
}

export interface SpreadStep {
  /** A power of two. */
  readonly slots: number
  /** Keys that were made from then on (keyTimeMs) are dealt to so many slots, ms since the epoch. */
  readonly fromMs: number
}

/** The one entry of the registry that holds the spread of all services; those that it does not name have one slot. */
export const SPREAD_KEY = 'spread/services'
const FORMAT = 1

export function encodeSpread(services: readonly ServiceSpread[]): Uint8Array {
  const entry = { format: FORMAT, services: services.map(({ tenant, service, steps }) => ({ tenant, service, steps })) }
  return new TextEncoder().encode(JSON.stringify(entry))
}

/** Throws corrupt_data for what is no such entry. */
export function decodeSpread(value: Uint8Array): ServiceSpread[] {
  let found: { readonly format?: unknown; readonly services?: unknown } | null
  try {
    found = JSON.parse(new TextDecoder().decode(value)) as typeof found
  } catch (error) {
    throw new WeirError('corrupt_data', 'the spread of services is not JSON', {}, { cause: error })
  }
  const { format, services } = found ?? {}
  if (format !== FORMAT || !Array.isArray(services) || !services.every(isSpread)) {
    throw new WeirError('corrupt_data', 'the spread of services cannot be read')
  }
  return services.map(({ tenant, service, steps }) => ({
    tenant,
    service,
    steps: steps.map(({ slots, fromMs }) => ({ slots, fromMs })),
  }))
}

function isSpread(found: Partial<ServiceSpread> | null): found is ServiceSpread {
  const { tenant, service, steps } = found ?? {}
  const isNamed = typeof tenant === 'string' && typeof service === 'string'
  return isNamed && Array.isArray(steps) && steps.length > 0 && steps.every(isStep) && isRising(steps)
}

function isStep(step: Partial<SpreadStep> | null): step is SpreadStep {
  const { slots, fromMs } = step ?? {}
  const isCount = Number.isInteger(slots) && slots! > 1 && slots! <= SPREAD_SLOTS_MAX
  return isCount && (slots! & (slots! - 1)) === 0 && Number.isFinite(fromMs)
}

function isRising(steps: readonly SpreadStep[]): boolean {
  return steps.every((step, i) => i === 0 || (step.slots > steps[i - 1]!.slots && step.fromMs > steps[i - 1]!.fromMs))
}
