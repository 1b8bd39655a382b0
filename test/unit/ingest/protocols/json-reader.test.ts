import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { JsonReader } from '../../../../ingest/protocols/json-reader.ts'

/** Reads a document of any shape part by part and puts it together again. */
function walk(reader: JsonReader, source: Buffer): unknown {
  const first = String.fromCharCode(reader.peek())
  if (first === '{') {
    const members: [string, unknown][] = []
    reader.enterObject()
    while (reader.nextMember()) {
      const key = JSON.parse(`"${source.toString('utf8', reader.keyStart, reader.keyEnd)}"`) as string
      members.push([key, walk(reader, source)])
    }
    return Object.fromEntries(members)
  }
  if (first === '[') {
    const elements: unknown[] = []
    reader.enterArray()
    while (reader.nextElement()) elements.push(walk(reader, source))
    return elements
  }
  reader.skip()
  return JSON.parse(source.toString('utf8', reader.start, reader.end))
}

test('every document is walked as JSON.parse reads it', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom(0, 1, 2), (text, indent) => {
      const source = Buffer.from(JSON.stringify(JSON.parse(text), null, indent))
      const reader = new JsonReader(source)
      const value = walk(reader, source)
      reader.finish()
      assert.deepEqual(value, JSON.parse(source.toString()))
      const skipped = new JsonReader(source)
      skipped.skip()
      skipped.finish()
      assert.equal(skipped.end, source.length)
    }),
  )
})

test('the end of a string is found behind any escapes', () => {
  for (const text of [
    '',
    '\\',
    '"',
    '\\"',
    `${'x'.repeat(40)}\\"\\\\`,
    `"${'\\'.repeat(100)}`,
    'x'.repeat(31),
    `${'x'.repeat(31)}"`,
  ]) {
    const source = Buffer.from(`[${JSON.stringify(text)},1]`)
    assert.deepEqual(walk(new JsonReader(source), source), [text, 1])
  }
})

test('what is no JSON is refused, and any bytes end', () => {
  for (const text of [
    '',
    '{',
    '[',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{a:1}',
    '{"a" 1}',
    '[1 2]',
    '[1,',
    '["',
    '["\\',
    '[,]',
    '{,}',
    '[1,]',
    '[{"a":[}',
  ]) {
    const source = Buffer.from(text)
    assert.throws(() => walk(new JsonReader(source), source), text)
  }
  const noise = fc.array(fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', '1', 'a', ' '), { maxLength: 60 })
  fc.assert(
    fc.property(noise, (parts) => {
      const source = Buffer.from(parts.join(''))
      const reader = new JsonReader(source)
      try {
        reader.skip()
        assert.ok(reader.at <= source.length)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid_body')
      }
    }),
    { numRuns: 2000 },
  )
})
