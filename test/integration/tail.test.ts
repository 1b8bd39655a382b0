import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { Prng } from '../../base/prng.ts'
import { shareNode } from '../harness/shared-node.ts'
import { TailSocketClient } from '../harness/tail-client.ts'
import type { WeirClient } from '../harness/weir-client.ts'
import { waitUntil } from '../harness/weir-client.ts'

const { node, client: clientWith } = await shareNode()
const open: TailSocketClient[] = []
after(() => {
  for (const client of open) client.close()
})

let tenants = 0
/** A tenant of its own, with its client and its tails. */
function freshTenant() {
  const headers = { 'x-scope-orgid': `tailed-${++tenants}` }
  const tail = async (subscribe: object) => {
    const made = await TailSocketClient.subscribe(node.url, subscribe, { headers })
    open.push(made)
    return made
  }
  return { headers, client: clientWith(headers), tail }
}

let uids = 0
type Sent = { readonly uid: string; readonly service: string; readonly kind: string }

/** Records of a few services and kinds. */
function records(random: Prng, count: number, services: readonly string[] = ['api', 'web', 'worker']): Sent[] {
  return Array.from({ length: count }, () => ({
    uid: `u${++uids}`,
    service: random.pick(services),
    level: random.pick(['INFO', 'ERROR']),
    kind: random.pick(['even', 'odd']),
    message: `line ${random.below(100)}`,
  }))
}

/** Sends small requests one after the other, until told to stop. */
function load(client: WeirClient, random: Prng, services?: readonly string[]) {
  const sent: Sent[] = []
  let goesOn = true
  const done = (async () => {
    while (goesOn) {
      const batch = records(random, 1 + random.below(30), services)
      sent.push(...batch)
      await client.ingest(batch)
    }
  })()
  return {
    sent,
    stop: async () => {
      goesOn = false
      await done
      return sent
    },
  }
}

const uidsOf = (sent: readonly { readonly uid: string }[]) => sent.map(({ uid }) => uid)

/** Of each shard, the records in the order of the journal: their ids say shard, generation, sequence and row behind the time. */
function checkOrder(logs: readonly { readonly id?: string }[]): void {
  const last = new Map<string, string>()
  for (const { id } of logs) {
    const [shard, place] = [id!.slice(16, 20), id!.slice(20)]
    assert.ok((last.get(shard) ?? '') < place, `rows of shard ${shard} come in order`)
    last.set(shard, place)
  }
}

describe('a live tail', () => {
  it('begins with the newest records and goes on with what comes', async () => {
    const { client, tail } = freshTenant()
    const startMs = Date.now() - 60_000
    const before = records(new Prng(1), 20).map((record, i) => ({ ...record, timestamp: startMs + i }))
    await client.ingest(before)
    await client.found(20)
    const follower = await tail({ last: 5 })
    await follower.hasLogs(5)
    assert.deepEqual(follower.uids, uidsOf(before.slice(-5)))
    const next = records(new Prng(2), 2)
    await client.ingest(next)
    await follower.hasLogs(7)
    assert.deepEqual(follower.uids.slice(5).toSorted(), uidsOf(next).toSorted())
    const log = follower.logs.at(-1)!
    assert.deepEqual(log, (await client.search({ query: `uid:${log.uid}` })).logs[0])
  })

  it('gives each record once and in the order of its shard, wherever it begins in a stream of them', async () => {
    const random = new Prng('seam')
    const { client, tail } = freshTenant()
    const whole = await tail({ last: 0 })
    const loader = load(client, random)
    const late: TailSocketClient[] = []
    for (const filter of [
      {},
      { query: 'kind:odd' },
      { service: 'api' },
      { level: 'error', query: 'line -kind:even' },
    ]) {
      const known = loader.sent.length
      await waitUntil(
        () => loader.sent.length > known + 50,
        () => 'more is sent',
      )
      late.push(await tail({ ...filter, last: 1000 }))
    }
    const sent = await loader.stop()
    assert.ok(sent.length < 1000, `${sent.length} records, of which a late tail begins with 1,000`)
    await whole.hasLogs(sent.length)
    checkOrder(whole.logs)
    assert.deepEqual(whole.uids.toSorted(), uidsOf(sent).toSorted())
    const wanted = [
      sent,
      sent.filter(({ kind }) => kind === 'odd'),
      sent.filter(({ service }) => service === 'api'),
      sent.filter((record) => record.kind === 'odd' && (record as unknown as { level: string }).level === 'ERROR'),
    ]
    for (const [i, follower] of late.entries()) {
      await follower.hasLogs(wanted[i]!.length)
      assert.deepEqual(follower.uids.toSorted(), uidsOf(wanted[i]!).toSorted())
    }
  })

  it('changes what it shows in place: from there on the other records, each once', async () => {
    const random = new Prng('change')
    const { client, tail } = freshTenant()
    const follower = await tail({ query: 'kind:even', last: 0 })
    const loader = load(client, random, ['api'])
    await waitUntil(
      () => follower.logs.length > 100,
      () => 'records come',
    )
    follower.send({ update: { query: 'kind:odd' } })
    await follower.heard('subscribed', 2)
    const evenCount = follower.logs.length
    await waitUntil(
      () => follower.logs.length > evenCount + 100,
      () => 'records of the other kind come',
    )
    const sent = await loader.stop()
    const odd = uidsOf(sent.filter(({ kind }) => kind === 'odd'))
    const even = uidsOf(sent.filter(({ kind }) => kind === 'even'))
    await waitUntil(
      () => follower.uids.at(-1) === odd.at(-1),
      () => 'the last record comes',
    )
    const shown = follower.uids
    const firstOdd = shown.findIndex((uid) => odd.includes(uid))
    assert.deepEqual(shown.slice(0, firstOdd), even.slice(0, firstOdd))
    assert.deepEqual(shown.slice(firstOdd), odd.slice(odd.length - (shown.length - firstOdd)))
    // One stands at the change, in the one service: what follows it is all of the other kind.
    const place = sent.findIndex(({ uid }) => uid === even[firstOdd - 1])
    const missed = uidsOf(sent.slice(place).filter(({ kind }) => kind === 'odd')).filter((uid) => !shown.includes(uid))
    assert.deepEqual(missed.length <= 30 ? [] : missed, [])
  })

  it('pauses, and goes on where it was', async () => {
    const { client, tail } = freshTenant()
    const follower = await tail({ last: 0 })
    const loader = load(client, new Prng('pause'))
    for (let round = 1; round <= 3; round++) {
      const known = follower.logs.length
      await waitUntil(
        () => follower.logs.length > known + 50,
        () => 'records come',
      )
      follower.send({ pause: true })
      await follower.heard('paused', round)
      const [shown, sent] = [follower.logs.length, loader.sent.length]
      await waitUntil(
        () => loader.sent.length > sent + 100,
        () => 'more is sent',
      )
      assert.equal(follower.logs.length, shown)
      follower.send({ resume: true })
    }
    const sent = await loader.stop()
    await follower.hasLogs(sent.length)
    assert.deepEqual(follower.uids.toSorted(), uidsOf(sent).toSorted())
    checkOrder(follower.logs)
  })

  it('stays paused when its filter changes, and then shows what matches the new one from there on', async () => {
    const { client, tail } = freshTenant()
    const follower = await tail({ query: 'kind:even', last: 0 })
    follower.send({ pause: true })
    await follower.heard('paused')
    follower.send({ update: { query: 'kind:odd' } })
    await follower.heard('paused', 2)
    const sent = records(new Prng('paused'), 50)
    await client.ingest(sent)
    await client.found(50)
    follower.send({ update: { query: 'kind:(' } })
    await follower.heard('error')
    assert.deepEqual(follower.logs, [])
    follower.send({ resume: true })
    const odd = sent.filter(({ kind }) => kind === 'odd')
    await follower.hasLogs(odd.length)
    assert.deepEqual(follower.uids.toSorted(), uidsOf(odd).toSorted())
  })

  it('goes on from a cursor on another connection, and from one of a poll', async () => {
    const { client, tail } = freshTenant()
    const begun = await client.json('/v1/logs/tail')
    const loader = load(client, new Prng('cursor'))
    const shown: string[] = []
    let { cursor } = begun
    for (let round = 0; round < 4; round++) {
      const follower = await tail({ cursor })
      await waitUntil(
        () => follower.logs.length > 60,
        () => 'records come',
      )
      follower.send({ pause: true })
      await follower.heard('paused')
      shown.push(...follower.uids)
      cursor = follower.cursor
      follower.close()
    }
    const sent = await loader.stop()
    const last = await tail({ cursor })
    await last.hasLogs(sent.length - shown.length)
    assert.deepEqual([...shown, ...last.uids].toSorted(), uidsOf(sent).toSorted())
  })

  it('says what is wrong with a message, and goes on as before', async () => {
    const { client, tail } = freshTenant()
    const follower = await tail({ service: 'api', last: 0 })
    const bad: [unknown, object][] = [
      [{ subscribe: { query: 'level:ERROR AND (' } }, { code: 'invalid_query', position: 16 }],
      [{ update: { query: 'level:ERROR | stats count()' } }, { code: 'invalid_query', position: 14 }],
      [{ subscribe: { cursor: 'nonsense' } }, { code: 'invalid_parameter', parameter: 'cursor' }],
      [{ subscribe: { last: 1001 } }, { code: 'invalid_parameter', parameter: 'last' }],
      [{ subscribe: { serivce: 'api' } }, { code: 'invalid_parameter', parameter: 'serivce' }],
      [{ subscribe: {}, pause: true }, { code: 'invalid_body' }],
      ['{', { code: 'invalid_body' }],
      [[], { code: 'invalid_body' }],
      [{ pause: 1 }, { code: 'invalid_parameter' }],
    ]
    for (const [i, [message, expected]] of bad.entries()) {
      follower.send(message)
      const error = await follower.heard('error', i + 1)
      for (const [key, value] of Object.entries(expected)) assert.equal(error[key], value, JSON.stringify(error))
      assert.equal(error.final, undefined)
    }
    assert.match(follower.of('error')[0]!.hint, /\w/)
    await client.ingest([{ uid: 'x', service: 'api' }])
    await follower.hasLogs(1)
  })
})
