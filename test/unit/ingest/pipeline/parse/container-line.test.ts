import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RECORD_BYTES_MAX } from '../../../../../base/limits.ts'
import { criLine, dockerLine } from '../../../../../ingest/pipeline/parse/container-line.ts'

test('lines of containerd are taken apart', () => {
  const time = '2016-10-06T00:17:09.669794202Z'
  assert.deepEqual(criLine(`${time} stdout F hello  world `), {
    time,
    stream: 'stdout',
    text: 'hello  world ',
    isPartial: false,
  })
  assert.deepEqual(criLine(`${time} stderr P part`), { time, stream: 'stderr', text: 'part', isPartial: true })
  assert.deepEqual(criLine(`${time} stdout F:x `), { time, stream: 'stdout', text: '', isPartial: false })
  assert.deepEqual(criLine(`${time} stdout F`), { time, stream: 'stdout', text: '', isPartial: false })
  for (const line of [
    '',
    'hello',
    `${time} stdin F x`,
    `${time} stdout X x`,
    `${time} stdout`,
    ' '.repeat(RECORD_BYTES_MAX),
  ])
    assert.equal(criLine(line), undefined, line.slice(0, 60))
})

test('lines of json-file are taken apart', () => {
  const time = '2016-10-06T00:17:09.669794202Z'
  assert.deepEqual(dockerLine(`{"log":"a \\"b\\"\\n","stream":"stderr","time":"${time}"}`), {
    time,
    stream: 'stderr',
    text: 'a "b"',
    isPartial: false,
  })
  assert.equal(dockerLine(`{"log":"part","stream":"stdout","time":"${time}"}`)?.isPartial, true)
  for (const line of ['', '{}', '{"log":1,"time":"x"}', '{"log":"x\\n"}', 'text', `{"log":"x","time":"${time}"`])
    assert.equal(dockerLine(line), undefined, line)
})
