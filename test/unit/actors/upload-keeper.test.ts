import assert from 'node:assert/strict'
import test from 'node:test'
import type { IngestRequest } from '../../../actors/messages/ingest.ts'
import type { ActorRef } from '../../../actors/runtime/actor-ref.ts'
import { UploadDesk } from '../../../actors/upload-desk.ts'
import { decodeUploadEntry, type UploadClaim, type UploadEntry } from '../../../actors/upload-entry.ts'
import { type LookForUploads, UploadKeeper } from '../../../actors/upload-keeper.ts'
import { UploadLedger } from '../../../actors/upload-ledger.ts'
import { WeirError } from '../../../base/errors.ts'
import type { NodeId, TenantId } from '../../../base/ids.ts'
import { DAY_MS } from '../../../base/ids.ts'
import { UPLOAD_INTAKE_SILENCE_MAX_MS, UPLOAD_SILENCE_MAX_MS } from '../../../base/limits.ts'
import { silentLogger } from '../../../base/logger.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const TENANT = 'default' as TenantId
const RECORDS = Buffer.from('{"message":"one"}\n{"message":"two"}\n')
const unavailable = () => new WeirError('storage_unavailable', 'out of reach')

/** The uploads of nodes that share a registry and a bucket. */
class World {
  readonly clock = new SimulatedClock('uploads')
  readonly registry = new SimulatedRegistry()
  readonly objects = new MemoryObjectStore()

  desk(node: string): UploadDesk {
    return new UploadDesk({ ...this.#common(node), bytesMax: 1e9, jobsMax: 100 })
  }

  async keeper(node: string): Promise<UploadKeeper> {
    const keeper: { it?: UploadKeeper } = {}
    const self = { tell: () => void keeper.it?.handle() } as Partial<ActorRef<LookForUploads>>
    const ingest = {
      admit() {},
      release() {},
      mayTake: () => true,
      async ingest({ body }: IngestRequest) {
        return { accepted: body.toString().split('\n').length - 1, rejected: 0, errors: [], repeated: false }
      },
    }
    const all = { ...this.#common(node), ingest, inflatedBytesMax: 1e9, mayClaim: () => true, keptMs: DAY_MS }
    keeper.it = new UploadKeeper({ ...all, logger: silentLogger }, self as ActorRef<LookForUploads>)
    await this.clock.run(keeper.it.started())
    return keeper.it
  }

  entries(): UploadEntry[] {
    return [...this.registry.entries.values()].map(({ value }) => decodeUploadEntry(value))
  }

  get parts(): number {
    return [...this.objects.objects.keys()].filter((key) => key.endsWith('.part')).length
  }

  #common(node: string) {
    const { clock, objects } = this
    const claim: UploadClaim = { node: node as NodeId, boot: `boot of ${node}`, worker: 1 }
    return { ledger: new UploadLedger(this.registry.connect()), objects, claim, clock }
  }
}

async function sent(world: World, desk: UploadDesk) {
  const intake = await world.clock.run(desk.begin(TENANT))
  intake.beginFile('a.ndjson', '')
  await world.clock.run(intake.write(RECORDS))
  return intake
}

test('an upload whose last write was made, but not answered, is a job and keeps its parts', async () => {
  const world = new World()
  const intake = await sent(world, world.desk('a'))
  world.registry.fault = (operation) => (operation === 'put' ? { when: 'after', error: unavailable() } : undefined)
  const job = await world.clock.run(intake.finish({}))
  assert.equal(job.state, 'waiting')
  await world.clock.run(intake.abort())
  assert.equal(world.parts, 1)
})

test('an upload that is given up leaves alone what has become a job', async () => {
  const world = new World()
  const intake = await sent(world, world.desk('a'))
  world.registry.fault = (operation) => ({ when: operation === 'put' ? 'after' : 'before', error: unavailable() })
  await assert.rejects(world.clock.run(intake.finish({})), { code: 'storage_unavailable' })
  world.registry.fault = () => undefined
  await world.clock.run(intake.abort())
  assert.deepEqual([world.entries()[0]?.state, world.parts], ['waiting', 1])
})

test('an upload that stands still loses its entry before its parts, so that it cannot end well without them', async () => {
  const world = new World()
  const desk = world.desk('a')
  const intake = await sent(world, desk)
  world.registry.fault = (operation, key) =>
    operation === 'put' && key.startsWith('upload/') ? { when: 'before', error: unavailable() } : undefined
  const keeper = await world.keeper('b')
  const entriesThen: number[] = []
  world.objects.fault = (operation) => {
    if (operation === 'list') entriesThen.push(world.registry.entries.size)
    return undefined
  }
  await world.clock.advance(UPLOAD_INTAKE_SILENCE_MAX_MS + 3000)
  world.registry.fault = () => undefined
  assert.deepEqual(entriesThen, [0])
  await assert.rejects(world.clock.run(intake.finish({})), { code: 'conflict' })
  await world.clock.run(intake.abort())
  assert.equal(world.parts, 0)
  await world.clock.run(keeper.stopping())
})

test('an upload outlives an election of the registry, while it comes in and when it ends', async () => {
  const world = new World()
  const intake = await sent(world, world.desk('a'))
  const keeper = await world.keeper('b')
  const away = () => {
    world.registry.fault = () => ({ when: 'before', error: unavailable() })
    world.clock.after(20_000, () => {
      world.registry.fault = () => undefined
    })
  }
  away()
  await world.clock.advance(25_000)
  await world.clock.run(intake.write(RECORDS))
  away()
  const job = await world.clock.run(intake.finish({}))
  assert.equal(job.state, 'waiting')
  await world.clock.advance(10_000)
  assert.deepEqual(
    world.entries().map(({ state, progress }) => [state, progress.records]),
    [['done', 4]],
  )
  await world.clock.run(keeper.stopping())
})

test('a beat beside the end of a job does not bring its key back', async () => {
  const world = new World()
  const intake = await sent(world, world.desk('a'))
  const { id } = await world.clock.run(intake.finish({}))
  // The write of the end is made, and answered after the next beat.
  world.registry.pauseAnswer = (operation) => (operation === 'put' ? world.clock.sleep(1500) : Promise.resolve())
  const keeper = await world.keeper('a')
  const seen: string[] = []
  const ledger = new UploadLedger(world.registry.connect())
  await world.clock.run(
    ledger.watch((_key, known) => {
      seen.push(`${known?.entry.state} ${known?.entry.key === null ? 'without' : 'with'} key`)
    }),
  )
  await world.clock.advance(20_000)
  assert.deepEqual([...new Set(seen)], ['running with key', 'done without key'])
  assert.deepEqual(
    world.entries().map((entry) => [entry.id, entry.state, entry.key, entry.hasParts, entry.progress.records]),
    [[id, 'done', null, false, 2]],
  )
  const lastRunning = seen.lastIndexOf('running with key')
  assert.ok(lastRunning < seen.indexOf('done without key'), seen.join(', '))
  await world.clock.run(keeper.stopping())
})

test('an upload that cannot be cleared away holds up no other', async () => {
  const world = new World()
  const desk = world.desk('a')
  const cancelled = await sent(world, desk)
  const { id } = await world.clock.run(cancelled.finish({}))
  world.objects.fault = (operation, key) =>
    operation === 'delete' && key.includes(id) ? { kind: 'before', error: unavailable() } : undefined
  await world.clock.run(desk.cancel(TENANT, id))
  const keeper = await world.keeper('b')
  await world.clock.advance(UPLOAD_SILENCE_MAX_MS + 3000)
  const other = await sent(world, desk)
  const waiting = await world.clock.run(other.finish({}))
  await world.clock.advance(5000)
  const found = world.entries().find((entry) => entry.id === waiting.id)
  assert.deepEqual([found?.state, found?.hasParts], ['done', false])
  await world.clock.run(keeper.stopping())
})
