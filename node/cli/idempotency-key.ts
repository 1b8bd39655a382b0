import { createHash } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { uuidOfTime } from '../../base/key-time.ts'

/** By the time in it, records of very fast services may be spread over shards (J1a). */
export function freshKey(clock: Clock): string {
  return uuidOfTime(clock.nowMs(), clock.randomBytes(10))
}

/** The same key for the same batch of what is sent under a name, whenever it is sent. */
export function namedKey(name: string, source: string, batch: number): string {
  return `weir-send-${createHash('sha256')
    .update(JSON.stringify([name, source]))
    .digest('hex')
    .slice(0, 40)}-${batch}`
}
