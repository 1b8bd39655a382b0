import { WeirError } from '../base/errors.ts'
import type { Registry } from './registry.ts'

const KEY = 'boots'

/**
 * The number of this start: higher than that of every earlier start of any node of the cluster. It orders processes by the registry rather than
 * by clocks, of which no two agree. Throws what the registry throws.
 */
export async function nextBoot(registry: Registry): Promise<number> {
  for (;;) {
    const known = await registry.get(KEY)
    const boot = (known === undefined ? 0 : bootOf(known.value)) + 1
    try {
      await registry.put(KEY, new TextEncoder().encode(String(boot)), known?.revision ?? 0)
      return boot
    } catch (error) {
      // Another start was first: the next number is still to be had.
      if (!(error instanceof WeirError && error.code === 'revision_conflict')) throw error
    }
  }
}

function bootOf(value: Uint8Array): number {
  const boot = Number(new TextDecoder().decode(value))
  if (!Number.isSafeInteger(boot) || boot < 1)
    throw new WeirError('corrupt_data', `${KEY} in the registry is no number`)
  return boot
}
