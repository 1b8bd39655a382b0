import { asWeirError } from '../../base/errors.ts'
import type { TenantId } from '../../base/ids.ts'
import { DAY_MS } from '../../base/ids.ts'
import type { Prng } from '../../base/prng.ts'
import { oldestAcceptedMs } from '../../storage/retention.ts'
import type { SimulatedNode } from '../harness/simulated-node.ts'
import type { Ledger, SentRequest } from './ledger.ts'
import { Violation } from './ledger.ts'

export const RETENTION_DAYS = 7
export const TENANTS = ['acme', 'globex'] as TenantId[]
export const SERVICES = ['api', 'auth', 'cart', 'mail', 'stock']
const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR']
/** Ages of records, ms: most are new, some come late into older days, some when their day is about to go. */
const AGES_MS = [0, 0, 0, 5_000, 3_600_000, 20 * 3_600_000, DAY_MS, 3 * DAY_MS, RETENTION_DAYS * DAY_MS - 120_000]
const CLIENT_TIMEOUT_MS = 20_000
/** Of clients that make keys: how far their clocks are ahead. */
const SKEWS_MS = [0, 0, -300_000, 60_000]
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

export interface ClientOptions {
  readonly prng: Prng
  readonly ledger: Ledger
  readonly clock: { sleep(ms: number): Promise<void>; nowMs(): number }
  readonly node: () => SimulatedNode | undefined
  readonly attemptsMax: number
}

/** Makes a request, with or without a key; where `mayMisuse`, sometimes one that uses the key of another request for other records. */
export function makeRequest(prng: Prng, ledger: Ledger, nowMs: number, mayMisuse: boolean): SentRequest {
  const other = mayMisuse && prng.chance(0.06) ? ledger.someKeyed(prng) : undefined
  const key = other?.key ?? (prng.chance(0.6) ? makeKey(prng, ledger.requests.length, nowMs) : undefined)
  const tenant = other?.tenant ?? prng.pick(TENANTS)
  const services = SERVICES.slice(0, prng.between(1, SERVICES.length))
  const count = prng.chance(0.05) ? prng.between(30, 120) : prng.between(1, 10)
  const rows = Array.from({ length: count }, () => ({
    service: prng.pick(services),
    timeMs: nowMs - prng.pick(AGES_MS) - prng.below(1000),
    level: prng.pick(LEVELS),
  }))
  return ledger.newRequest(tenant, key, rows)
}

/** With a time in it (a ULID) or without. */
function makeKey(prng: Prng, number: number, nowMs: number): string {
  if (prng.chance(0.4)) return `key-${number}`
  let key = ''
  for (let left = nowMs + prng.pick(SKEWS_MS); key.length < 10; left = Math.floor(left / 32)) {
    key = CROCKFORD.charAt(left % 32) + key
  }
  while (key.length < 26) key += CROCKFORD.charAt(prng.below(32))
  return key
}

/** Sends a request until it is acknowledged, refused for good, or the client gives up; receipts get lost on the way. */
export async function sendRequest(request: SentRequest, options: ClientOptions): Promise<void> {
  const { prng, ledger, clock, attemptsMax } = options
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const node = options.node()
    if (node !== undefined) {
      const outcome = await attemptOnce(request, node, options)
      if (outcome === 'refused') return
      if (outcome === 'acknowledged' && !prng.chance(0.15)) {
        ledger.acknowledge(request)
        return
      }
      if (prng.chance(0.1)) return
    }
    await clock.sleep(100 + prng.below(4000))
  }
}

async function attemptOnce(
  request: SentRequest,
  node: SimulatedNode,
  { clock, ledger }: ClientOptions,
): Promise<'acknowledged' | 'failed' | 'refused'> {
  ledger.attempted(request)
  const receivedMs = clock.nowMs()
  const receipt = node
    .ingest({
      tenant: request.tenant,
      protocol: 'http',
      format: 'ndjson',
      body: request.body,
      receivedMs,
      ...(request.key === undefined ? {} : { idempotencyKey: request.key }),
    })
    .then(
      (answer) => {
        const { timesMs } = request
        const young = timesMs.filter((timeMs) => timeMs >= oldestAcceptedMs(receivedMs, RETENTION_DAYS)).length
        if (answer.accepted !== young) throw new Violation('D1', `accepted ${answer.accepted} of ${young}`)
        // What was refused for its age is not acknowledged; the request as a whole then says nothing.
        return young === timesMs.length ? ('acknowledged' as const) : ('refused' as const)
      },
      (error) => (asWeirError(error).code === 'idempotency_conflict' ? ('refused' as const) : ('failed' as const)),
    )
  const late = clock.sleep(CLIENT_TIMEOUT_MS).then(() => 'failed' as const)
  return Promise.race([receipt, late, node.life.ended.then(() => 'failed' as const)])
}
