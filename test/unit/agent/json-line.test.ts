import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { HAS_HOST, HAS_SERVICE, HAS_TIMESTAMP, JsonLine } from '../../../agent/json-line.ts'

const line = new JsonLine()
const SLACK = '\n\0\0\0\0\0\0\0'

function check(text: string): boolean {
  const bytes = Buffer.from(text + SLACK)
  return line.check(bytes, 0, bytes.length - SLACK.length)
}

describe('a line that is JSON', () => {
  it('is told from one that is not as JSON.parse tells it', () => {
    const text = fc.oneof(
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })).map((value) => JSON.stringify(value)),
      fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value)),
      fc.string(),
      fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })).chain((value) => {
        const json = JSON.stringify(value)
        return fc.nat(json.length).map((cut) => json.slice(0, cut) + json.slice(cut + 1))
      }),
    )
    fc.assert(
      fc.property(text, (json) => {
        let isObject = false
        try {
          const value: unknown = JSON.parse(json)
          isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
        } catch {}
        assert.equal(check(json), isObject, json)
      }),
    )
  })

  it('says which known fields it names, under any of their names', () => {
    const named = (text: string) => (check(text) ? line.has : -1)
    assert.equal(named('{"message":"x"}'), 0)
    assert.equal(named('{"@timestamp":"x","a":{"host":"no"}}'), HAS_TIMESTAMP)
    assert.equal(named('{ "app" : "x" , "hostname":"y"}'), HAS_SERVICE | HAS_HOST)
    assert.equal(named('{"service.name":"x","time":1,"host":{"name":"y"}}'), HAS_SERVICE | HAS_TIMESTAMP | HAS_HOST)
  })
})
