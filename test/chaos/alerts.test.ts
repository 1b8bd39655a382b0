import assert from 'node:assert/strict'
import { it } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { Prng } from '../../base/prng.ts'
import { putRule, type ShownEvent } from '../harness/alert-client.ts'
import { ClusterProcesses } from '../harness/cluster-processes.ts'
import { waitUntil } from '../harness/weir-client.ts'

/** Without these it is the short form. */
const { CHAOS_SEED: seed = '1', CHAOS_RULES: rules = '200' } = process.env
const RULES = Number(rules)
const RECORDS_PER_RULE_MAX = 12
const THRESHOLD = 6
const NODES = ['n1', 'n2', 'n3']
const TRIES_MAX = 100
const RETRY_MS = 200
const FIRED_WAIT_MS = 60_000
const TEST_MS_MAX = 280_000

interface Row {
  readonly fault: string
  readonly sent: number
  readonly expected: number
  readonly fired: number
}

it('whatever fails, each rule fires as often as its records say, and no other', { timeout: TEST_MS_MAX }, async (t) => {
  const prng = new Prng(`${seed}/alerts`)
  const cluster = await ClusterProcesses.start({ natsServers: 3, settings: { workers: 1 } })
  t.after(() => cluster.remove())
  for (const id of NODES) await cluster.startNode(id)
  const anyClient = () => prng.pick([...cluster.nodes]).client
  await cluster.settled(cluster.node('n1'), NODES)
  const wanted = Array.from({ length: RULES }, (_, i) => ({
    id: `rule-${i}`,
    records: prng.below(RECORDS_PER_RULE_MAX),
  }))
  const condition = { count: `>=${THRESHOLD}`, window: '10m' }
  for (const { id } of wanted) await putRule(anyClient(), id, { query: '*', service: id, condition })

  const sent = new Map<string, number>()
  /** With a key: it is taken once, by whichever node. */
  const sendOne = async (service: string, number: number): Promise<void> => {
    const headers = { 'idempotency-key': `${seed}/${service}/${number}` }
    for (let tries = 0; ; tries++) {
      const answer = await anyClient()
        .ingestText(JSON.stringify({ service, message: `record ${number}` }), headers)
        .catch(() => undefined)
      if (answer?.status === 200) break
      assert.ok(tries < TRIES_MAX, `${service} ${number}: ${answer?.status} ${answer?.text}`)
      await systemClock.sleep(RETRY_MS)
    }
    sent.set(service, (sent.get(service) ?? 0) + 1)
  }
  const queue = prng.shuffle(
    wanted.flatMap(({ id, records }) => Array.from({ length: records }, (_, i) => [id, i] as const)),
  )
  const sendSome = async (count: number): Promise<void> => {
    const some = queue.splice(0, count)
    const sendNext = async (): Promise<void> => {
      for (let next = some.shift(); next !== undefined; next = some.shift()) await sendOne(...next)
    }
    await Promise.all(Array.from({ length: 8 }, sendNext))
  }
  const allEvents = async (): Promise<ShownEvent[]> => {
    const events: ShownEvent[] = []
    let cursor: string | null = null
    do {
      const page: { events: ShownEvent[]; nextCursor: string | null } = await anyClient().json('/v1/alerts/events', {
        limit: 1000,
        ...(cursor === null ? {} : { cursor }),
      })
      events.push(...page.events)
      cursor = page.nextCursor
    } while (cursor !== null)
    return events
  }
  const expected = () => [...sent].filter(([, count]) => count >= THRESHOLD).map(([id]) => id)

  let victim = ''
  const faults: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['none', async () => undefined],
    [
      'kill -9 of an owner and keeper',
      async () => {
        victim = prng.pick(NODES)
        await cluster.killNode(victim)
      },
    ],
    ['it comes back', () => cluster.startNode(victim)],
    ['NATS leader killed', async () => cluster.nats.kill(await cluster.nats.jetStreamLeader())],
    [
      'drain of a node',
      async () => {
        victim = prng.pick(NODES)
        await cluster.stopNode(victim)
      },
    ],
  ]
  const share = Math.ceil(queue.length / faults.length)
  const table: Row[] = []
  for (const [fault, inject] of faults) {
    const sending = sendSome(share)
    await inject()
    await sending
    let events: ShownEvent[] = []
    await waitUntil(
      async () => {
        events = await allEvents().catch(() => [])
        return events.length >= expected().length
      },
      () => `all expected rules have fired after "${fault}": ${missing(expected(), events)}`,
      FIRED_WAIT_MS,
    )
    table.push({ fault, sent: share, expected: expected().length, fired: events.length })
  }
  const events = await allEvents()
  process.stdout.write(`seed ${seed}, ${RULES} rules\n`)
  for (const { fault, sent: count, expected: due, fired } of table) {
    process.stdout.write(
      `  ${fault.padEnd(32)} records ${String(count).padStart(5)}  expected ${due}  fired ${fired}\n`,
    )
  }
  assert.deepEqual(events.map(({ rule }) => rule.id).sort(), expected().sort())
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length)
})

function missing(expected: readonly string[], events: readonly ShownEvent[]): string {
  const fired = new Set(events.map(({ rule }) => rule.id))
  return expected.filter((id) => !fired.has(id)).join(' ')
}
