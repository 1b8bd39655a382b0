import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { LaneId } from '../../base/ids.ts'
import { JOURNAL_HANDOVER_BYTES_MAX } from '../../base/limits.ts'
import type { Journal, JournalMessage, JournalReader } from '../../cluster/journal.ts'

export interface JournalSubject {
  /** A journal of two lanes that keep BYTES_MAX each; every call gives another connection, as another thread would have. */
  connect(): Promise<Journal>
  /** All connections end and the journal is opened again, as after a restart. */
  restart(): Promise<void>
  release(): Promise<void>
}

export const CONTRACT_LANES = 2
export const CONTRACT_LANE_BYTES_MAX = 64 << 20

const LANE = 0 as LaneId
const OTHER_LANE = 1 as LaneId
const BATCH_BYTES = 1 << 20

const frame = (text: string): Uint8Array => new TextEncoder().encode(text)
const textOf = (message: JournalMessage): string => new TextDecoder().decode(message.frame)
const never = (): AbortSignal => AbortSignal.timeout(20_000)

async function take(reader: JournalReader, count: number): Promise<JournalMessage[]> {
  const messages: JournalMessage[] = []
  while (messages.length < count) messages.push(...(await reader.next(BATCH_BYTES, never())))
  return messages
}

/** What every Journal must do. */
export function journalContract(open: () => Promise<JournalSubject>): void {
  const holds = (property: string, run: (journal: Journal, subject: JournalSubject) => Promise<void>) =>
    it(property, async () => {
      const subject = await open()
      try {
        await run(await subject.connect(), subject)
      } finally {
        await subject.release()
      }
    })

  holds('a frame comes back as it was appended, with its position and time', async (journal) => {
    const sizes = [1, 100, 4096, 70_000, 1_500_000]
    const frames = sizes.map((size) => new Uint8Array(size).map((_, i) => (i * 31 + size) & 0xff))
    for (const [i, bytes] of frames.entries()) {
      const position = await journal.append(LANE, `f${i}`, bytes.slice())
      assert.deepEqual(position, { generation: 1, sequence: i + 1 })
    }
    const reader = journal.read(LANE, 0)
    const messages = await take(reader, sizes.length)
    assert.deepEqual(
      messages.map((m) => m.position.sequence),
      [1, 2, 3, 4, 5],
    )
    for (const [i, bytes] of frames.entries()) assert.deepEqual(messages[i]!.frame, bytes)
    for (let i = 1; i < messages.length; i++) assert.ok(messages[i]!.appendedMs >= messages[i - 1]!.appendedMs)
  })

  holds('a view on part of a buffer is appended as that part, and the buffer stays', async (journal) => {
    const whole = frame('abcdef')
    await journal.append(LANE, 'part', whole.subarray(2, 4))
    assert.equal(new TextDecoder().decode(whole), 'abcdef')
    assert.deepEqual((await take(journal.read(LANE, 0), 1)).map(textOf), ['cd'])
  })

  holds('J1: appends of several threads get one order, which every reader sees', async (journal, subject) => {
    const connections = [journal, await subject.connect(), await subject.connect()]
    const readers = connections.map((connection) => connection.read(LANE, 0))
    const reads = readers.map((reader) => take(reader, 90))
    const appends = connections.flatMap((connection, c) =>
      Array.from({ length: 30 }, async (_, i) => {
        const position = await connection.append(LANE, `${c}-${i}`, frame(`${c}-${i}`))
        return { sequence: position.sequence, text: `${c}-${i}` }
      }),
    )
    const acked = (await Promise.all(appends)).sort((a, b) => a.sequence - b.sequence)
    assert.deepEqual(
      acked.map((a) => a.sequence),
      Array.from({ length: 90 }, (_, i) => i + 1),
    )
    for (const read of reads) {
      assert.deepEqual(
        (await read).map((m) => ({ sequence: m.position.sequence, text: textOf(m) })),
        acked,
      )
    }
  })

  holds('J1: appends of one thread keep their order', async (journal) => {
    const positions = await Promise.all(
      Array.from({ length: 20 }, (_, i) => journal.append(LANE, `f${i}`, frame(`${i}`))),
    )
    assert.deepEqual(
      positions.map((p) => p.sequence),
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
  })

  holds('J2a: lanes are apart', async (journal) => {
    await journal.append(LANE, 'x', frame('left'))
    await journal.append(OTHER_LANE, 'x', frame('right'))
    assert.deepEqual((await take(journal.read(LANE, 0), 1)).map(textOf), ['left'])
    assert.deepEqual((await take(journal.read(OTHER_LANE, 0), 1)).map(textOf), ['right'])
    assert.equal((await journal.state(OTHER_LANE)).lastSequence, 1)
  })

  holds('D2: a frame sent again is stored once, also while the first is under way', async (journal, subject) => {
    const other = await subject.connect()
    const [first, again] = await Promise.all([
      journal.append(LANE, 'a', frame('a')),
      journal.append(LANE, 'a', frame('a')),
    ])
    assert.deepEqual(again, first)
    await journal.append(LANE, 'b', frame('b'))
    assert.deepEqual(await other.append(LANE, 'a', frame('a')), first)
    assert.deepEqual((await take(journal.read(LANE, 0), 2)).map(textOf), ['a', 'b'])
    assert.equal((await journal.state(LANE)).lastSequence, 2)
  })

  holds(
    'J3, J6: after a restart every acknowledged frame is there, in the same generation',
    async (journal, subject) => {
      for (let i = 0; i < 5; i++) await journal.append(LANE, `f${i}`, frame(`${i}`))
      const before = await journal.state(LANE)
      await subject.restart()
      const again = await subject.connect()
      assert.deepEqual(await again.state(LANE), before)
      assert.deepEqual((await take(again.read(LANE, 2), 3)).map(textOf), ['2', '3', '4'])
      assert.deepEqual(await again.append(LANE, 'f3', frame('3')), { generation: 1, sequence: 4 }, 'D2 survives it')
      assert.equal((await again.append(LANE, 'f5', frame('5'))).sequence, 6)
    },
  )

  holds('J5: a trim removes the frames up to a sequence and no others, for good', async (journal, subject) => {
    for (let i = 1; i <= 6; i++) await journal.append(LANE, `f${i}`, frame(`${i}`))
    await journal.trim(LANE, 4)
    const { firstSequence, lastSequence, bytes } = await journal.state(LANE)
    assert.deepEqual({ firstSequence, lastSequence }, { firstSequence: 5, lastSequence: 6 })
    assert.ok(bytes >= 2 && bytes < 1000, 'two frames, and what is stored beside them')
    await journal.trim(LANE, 2)
    assert.deepEqual((await take(journal.read(LANE, 0), 2)).map(textOf), ['5', '6'])
    await subject.restart()
    const again = await subject.connect()
    assert.equal((await again.state(LANE)).firstSequence, 5)
    assert.deepEqual((await take(again.read(LANE, 1), 2)).map(textOf), ['5', '6'])
  })

  holds('J3: a sequence is never used twice, even when everything was trimmed', async (journal, subject) => {
    for (let i = 1; i <= 3; i++) await journal.append(LANE, `f${i}`, frame(`${i}`))
    await journal.trim(LANE, 1000)
    await subject.restart()
    const again = await subject.connect()
    const { firstSequence, lastSequence } = await again.state(LANE)
    assert.deepEqual({ firstSequence, lastSequence }, { firstSequence: 4, lastSequence: 3 })
    assert.equal((await again.append(LANE, 'new', frame('new'))).sequence, 4)
  })

  holds('J5: a long trim is complete when it resolves', async (journal) => {
    await Promise.all(Array.from({ length: 700 }, (_, i) => journal.append(LANE, `f${i}`, frame(`${i}`))))
    await journal.trim(LANE, 650)
    assert.equal((await journal.state(LANE)).firstSequence, 651)
    assert.equal((await take(journal.read(LANE, 0), 50)).length, 50)
  })

  holds('a lane that is full refuses before it appends, and takes frames again after a trim', async (journal) => {
    const size = CONTRACT_LANE_BYTES_MAX / 16
    // What is stored beside the frames may take the room of one.
    let count = 0
    const fill = async () => {
      while (count < 17) {
        await journal.append(LANE, `f${count}`, new Uint8Array(size))
        count++
      }
    }
    await assert.rejects(fill(), { code: 'journal_full' })
    assert.ok(count === 15 || count === 16)
    assert.equal((await journal.state(LANE)).lastSequence, count)
    await journal.append(OTHER_LANE, 'beside', frame('x'))
    await journal.trim(LANE, 1)
    assert.equal((await journal.append(LANE, `f${count}`, new Uint8Array(size))).sequence, count + 1)
  })

  holds('a reader waits for the next frame and wakes', async (journal, subject) => {
    const reader = journal.read(LANE, 0)
    const other = await subject.connect()
    for (let i = 0; i < 20; i++) {
      const waiting = reader.next(BATCH_BYTES, never())
      await (i % 2 === 0 ? other : journal).append(LANE, `f${i}`, frame(`${i}`))
      assert.deepEqual((await waiting).map(textOf), [`${i}`])
    }
  })

  holds('a wait that is given up rejects with the reason and loses no frame', async (journal) => {
    const reader = journal.read(LANE, 0)
    const giveUp = new AbortController()
    const waiting = reader.next(BATCH_BYTES, giveUp.signal)
    giveUp.abort(new Error('given up'))
    await assert.rejects(waiting, { message: 'given up' })
    await assert.rejects(reader.next(BATCH_BYTES, AbortSignal.abort(new Error('at once'))), { message: 'at once' })
    await journal.append(LANE, 'a', frame('a'))
    await journal.append(LANE, 'b', frame('b'))
    assert.deepEqual((await take(reader, 2)).map(textOf), ['a', 'b'])
  })

  holds('a batch has about the bytes asked for, and at least one frame', async (journal) => {
    for (let i = 0; i < 6; i++) await journal.append(LANE, `f${i}`, new Uint8Array(1000))
    const reader = journal.read(LANE, 0)
    assert.equal((await reader.next(2500, never())).length, 2)
    assert.equal((await reader.next(1, never())).length, 1)
    assert.equal((await reader.next(BATCH_BYTES, never())).length, 3)
  })

  holds('a reader that takes its time gets every frame once, in order', async (journal) => {
    const size = 1 << 20
    const count = Math.ceil((JOURNAL_HANDOVER_BYTES_MAX * 1.5) / size)
    const reader = journal.read(LANE, 0)
    await journal.append(LANE, 'first', frame('first'))
    assert.equal((await reader.next(BATCH_BYTES, never())).length, 1)
    const waiting = reader.next(BATCH_BYTES, never())
    for (let i = 0; i < count; i++) await journal.append(LANE, `f${i}`, new Uint8Array(size).fill(i))
    const seen = [...(await waiting)]
    while (seen.length < count) {
      seen.push(...(await reader.next(3 * size, never())))
      await journal.append(OTHER_LANE, `o${seen.length}`, frame('between'))
    }
    assert.deepEqual(
      seen.map((m) => m.position.sequence),
      Array.from({ length: count }, (_, i) => i + 2),
    )
    for (const [i, message] of seen.entries()) assert.ok(message.frame.length === size && message.frame[size - 1] === i)
  })

  holds('a frame that was read fills its own buffer, which may be transferred', async (journal) => {
    const reader = journal.read(LANE, 0)
    for (const size of [10, 40_000]) {
      await journal.append(LANE, `f${size}`, new Uint8Array(size).fill(7))
      const [message] = await reader.next(BATCH_BYTES, never())
      const { buffer } = message!.frame
      assert.equal(buffer.byteLength, size)
      assert.equal(structuredClone(buffer, { transfer: [buffer as ArrayBuffer] }).byteLength, size)
    }
    assert.equal((await take(journal.read(LANE, 0), 2))[1]!.frame[0], 7, 'another reader still has it')
  })

  holds('a reader that starts beyond the end waits for what lies behind its start', async (journal) => {
    const reader = journal.read(LANE, 2)
    const waiting = reader.next(BATCH_BYTES, never())
    for (let i = 1; i <= 3; i++) await journal.append(LANE, `f${i}`, frame(`${i}`))
    assert.deepEqual((await waiting).map(textOf), ['3'])
  })

  holds('closing a reader ends its wait', async (journal) => {
    const reader = journal.read(LANE, 0)
    const waiting = assert.rejects(reader.next(BATCH_BYTES, never()), { code: 'storage_unavailable' })
    await reader.close()
    await waiting
  })

  holds('closing a journal waits for its appends', async (journal, subject) => {
    const other = await subject.connect()
    const append = other.append(LANE, 'last', frame('last'))
    await other.close()
    assert.equal((await append).sequence, 1)
    assert.equal((await journal.state(LANE)).lastSequence, 1)
    await assert.rejects(other.append(LANE, 'late', frame('late')), { code: 'storage_unavailable' })
  })
}
