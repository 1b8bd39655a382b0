import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { TransferAdmission } from '../../../cluster/transfer-admission.ts'

const LIMITS = { countMax: 3, bytesMax: 100, peerBytesMax: 60, waitingMax: 5 }

test('a peer that has as much as it may lets others pass; nobody passes who waits for room of all', () => {
  const admission = new TransferAdmission(LIMITS)
  const started: string[] = []
  const enter = (name: string, peer: string, bytes: number) =>
    admission.enter(peer, bytes, () => started.push(name)) ?? (() => {})
  const endOne = enter('one', 'a', 50)
  enter('two', 'a', 20)
  const endThree = enter('three', 'b', 40)
  enter('four', 'c', 60)
  enter('five', 'd', 1)
  deepEqual(started, ['one', 'three'])
  endThree()
  deepEqual(started, ['one', 'three'])
  endOne()
  deepEqual(started, ['one', 'three', 'two', 'four', 'five'])
  equal(admission.waiting, 0)
})

test('too many that wait are refused', () => {
  const admission = new TransferAdmission(LIMITS)
  for (let i = 0; i < LIMITS.countMax + LIMITS.waitingMax; i++) ok(admission.enter(`${i}`, 1, () => {}) !== undefined)
  equal(
    admission.enter('x', 1, () => {}),
    undefined,
  )
})

test('limits hold at every moment, everybody has a turn, and nothing is left', () => {
  const steps = fc.array(
    fc.record({ peer: fc.nat(2), bytes: fc.integer({ min: 1, max: 60 }), ends: fc.nat(9), isPatient: fc.boolean() }),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, (run) => {
      const admission = new TransferAdmission({ ...LIMITS, waitingMax: 1000 })
      const running = new Map<() => void, { peer: number; bytes: number }>()
      const check = () => {
        const all = [...running.values()]
        const sum = (some: typeof all) => some.reduce((total, { bytes }) => total + bytes, 0)
        ok(all.length <= LIMITS.countMax && sum(all) <= LIMITS.bytesMax)
        for (const peer of [0, 1, 2]) ok(sum(all.filter((one) => one.peer === peer)) <= LIMITS.peerBytesMax)
        deepEqual([admission.running, admission.bytes], [all.length, sum(all)])
      }
      let turns = 0
      let gaveUp = 0
      for (const { peer, bytes, ends, isPatient } of run) {
        let hasStarted = false
        const leave = admission.enter(`${peer}`, bytes, () => {
          hasStarted = true
          turns++
          running.set(end, { peer, bytes })
        })
        function end(): void {
          running.delete(end)
          leave!()
        }
        check()
        if (!hasStarted && !isPatient) {
          gaveUp++
          leave!()
        }
        const other = [...running.keys()][ends]
        other?.()
        check()
      }
      while (running.size > 0) {
        ;[...running.keys()][0]!()
        check()
      }
      equal(turns + gaveUp, run.length)
      deepEqual([admission.running, admission.waiting, admission.bytes], [0, 0, 0])
    }),
  )
})
