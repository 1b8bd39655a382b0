import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { ENDPOINTS } from '../../../api/contract/endpoints.ts'
import { docsPage, errorsPage } from '../../../api/docs-page.ts'
import { openApiOf } from '../../../api/openapi.ts'
import { html, page } from '../../../api/page.ts'
import { ERROR_CATALOGUE } from '../../../base/errors.ts'
import { startTestServer } from '../../harness/test-server.ts'

test('the document names every endpoint once, and every reference in it leads somewhere', () => {
  const document = openApiOf(ENDPOINTS, '1.2.3')
  assert.equal(document.openapi, '3.1.0')
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods))
  assert.equal(operations.length, ENDPOINTS.length)
  assert.equal(new Set(operations.map((operation) => operation.operationId)).size, ENDPOINTS.length)
  const text = JSON.stringify(document)
  const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1]!)
  assert.ok(references.length > 20)
  for (const name of references) assert.ok(name in document.components.schemas, name)
  for (const [path, methods] of Object.entries(document.paths)) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
    for (const operation of Object.values(methods)) {
      const named = operation.parameters
        .filter((parameter) => parameter.in === 'path')
        .map((parameter) => parameter.name)
      assert.deepEqual(named, inPath, path)
    }
  }
})

test('answers have the shape that the document promises', async (t) => {
  const { client } = await startTestServer(t)
  await client.post('/v1/logs/ingest', [{ message: 'a', level: 'INFO', traceId: 't1' }, 5])
  const calls: Record<string, string> = {
    searchLogs: '/v1/logs/search',
    tailLogs: '/v1/logs/tail',
    getRecord: '/v1/logs/r1',
    getRecordContext: '/v1/logs/r1/context',
    getTrace: '/v1/traces/t1',
    histogramLogs: '/v1/logs/histogram',
    aggregateLogs: '/v1/logs/aggregate',
    patternsOfLogs: '/v1/logs/patterns',
    listFields: '/v1/fields',
    listFieldValues: '/v1/fields/service/values',
    listDeadLetters: '/v1/dead-letters',
    listKeys: '/v1/keys',
    getCluster: '/v1/cluster',
    getHealth: '/healthz',
    getReadiness: '/readyz',
  }
  for (const [id, path] of Object.entries(calls)) {
    const endpoint = ENDPOINTS.find((candidate) => candidate.id === id)!
    const schema = endpoint.responses[200]!.content!['application/json'] as TSchema
    const answer = await client.get(path)
    assert.equal(answer.status, 200, path)
    assert.deepEqual(Compile(schema).Errors(answer.json()), [], path)
  }
  const served = (await client.get('/openapi.json')).json()
  assert.deepEqual(served, JSON.parse(JSON.stringify(openApiOf(ENDPOINTS, '0.0.1'))))
})

test('the pages need nothing but their own style, and their policy lets nothing else in', async (t) => {
  const { client } = await startTestServer(t, { uiFolder: 'not-built' })
  for (const path of ['/docs', '/docs/errors', '/']) {
    const answer = await client.get(path, { accept: 'text/html' })
    assert.match(String(answer.headers['content-type']), /^text\/html/)
    assert.doesNotMatch(answer.text, /<script|<link|<img|\son\w+=|style="|https?:\/\/(?!127\.0\.0\.1)/, path)
    const style = /<style>([\s\S]*)<\/style>/.exec(answer.text)![1]!
    const digest = createHash('sha256').update(style).digest('base64')
    assert.ok(String(answer.headers['content-security-policy']).includes(`style-src 'sha256-${digest}'`), path)
  }
  const facts = (await client.get('/')).json()
  assert.equal(facts.name, 'weir')
  for (const path of [facts.links.docs, facts.links.openapi, facts.links.errors, facts.links.health]) {
    assert.equal((await client.get(path)).status, 200, path)
  }
})

test('every endpoint and every error code is on its page', () => {
  const docs = docsPage(openApiOf(ENDPOINTS, '1'))
  for (const { id } of ENDPOINTS) assert.ok(docs.includes(`id="${id}"`), id)
  const errors = errorsPage()
  for (const code of Object.keys(ERROR_CATALOGUE)) assert.ok(errors.includes(`<tr id="${code}">`), code)
})

test('text in a page cannot become markup', () => {
  const hostile = '<script>"&\'</script>'
  const text = page(hostile, html`<p title="${hostile}">${hostile}</p>`)
  assert.doesNotMatch(text, /<script/)
  assert.ok(text.includes('&#60;script&#62;&#34;&#38;&#39;'))
})
