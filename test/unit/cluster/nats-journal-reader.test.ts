import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { systemClock } from '../../../base/clock.ts'
import type { LaneId } from '../../../base/ids.ts'
import { silentLogger } from '../../../base/logger.ts'
import { encodeLaneEntry, laneEntryKey } from '../../../cluster/lane-entry.ts'
import { NatsAppender } from '../../../cluster/nats-appender.ts'
import { NatsConnection } from '../../../cluster/nats-connection.ts'
import { NatsJournalReader } from '../../../cluster/nats-journal-reader.ts'
import { NatsLane } from '../../../cluster/nats-lane.ts'
import { LaneStream } from '../../../cluster/nats-stream.ts'
import { NatsServers } from '../../harness/nats-server.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const LANE = 0 as LaneId
const FRAMES = 5
const READ_BYTES_MAX = 1024 * 1024

/** A stream whose consumers are made only when they may be, as while the leader of JetStream is gone. */
function holdingConsumers(stream: LaneStream): () => void {
  const allowed = Promise.withResolvers<void>()
  const addConsumer = stream.addConsumer.bind(stream)
  stream.addConsumer = async (sequence) => {
    await allowed.promise
    return addConsumer(sequence)
  }
  return allowed.resolve
}

describe('a reader of the journal', { timeout: 60_000 }, () => {
  let servers: NatsServers
  before(async () => {
    servers = await NatsServers.start(1)
  })
  after(() => servers.stop())

  it('gives out each frame once, also those of an older generation that it read while it had no consumer', async (t) => {
    const clock = systemClock
    const connection = await NatsConnection.open({ servers: servers.urls, name: 'reader' }, clock)
    t.after(() => connection.close())
    const options = { cluster: 'reader', lane: LANE, laneCount: 1, bytesMax: 64 * READ_BYTES_MAX }
    const stream = await LaneStream.of({ ...options, connection, clock })
    t.after(() => stream.close())
    const { creationId, createdMs } = await stream.ensure()
    const registry = new SimulatedRegistry().connect()
    // J3: restored, and nothing has come since.
    const starts = [
      { generation: 1, from: 1 },
      { generation: 2, from: FRAMES + 1 },
    ]
    const entry = { creationId, createdMs, generation: 2, lastSequence: 0, since: starts }
    await registry.put(laneEntryKey(LANE), encodeLaneEntry(entry), 0)
    const common = { stream, connection, clock }
    const quiet = { logger: silentLogger, reachedOf: () => 0, onAlarm: () => undefined }
    const lane = await NatsLane.open({ ...common, ...quiet, lane: LANE, registry })
    t.after(() => lane.close())
    const appender = new NatsAppender({ ...common, laneId: LANE, lane })
    t.after(() => appender.close())
    const append = (number: number) => appender.append(`frame ${number}`, Uint8Array.of(number))
    for (let number = 1; number <= FRAMES; number++) await append(number)

    const allowConsumers = holdingConsumers(stream)
    const reader = new NatsJournalReader({ ...common, lane, after: 0, generation: 2, onClose: () => undefined })
    t.after(() => reader.close())
    const got: number[] = []
    const readThrough = async (last: number): Promise<void> => {
      const { signal } = t
      while ((got.at(-1) ?? 0) < last) {
        for (const { position } of await reader.next(READ_BYTES_MAX, signal)) got.push(position.sequence)
      }
    }
    await readThrough(FRAMES)
    allowConsumers()
    await append(FRAMES + 1)
    await readThrough(FRAMES + 1)
    assert.deepEqual(got, [1, 2, 3, 4, 5, 6])
  })
})
