import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TenantId } from '../../../base/ids.ts'
import { AgentTokens } from '../../../node/agent-tokens.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { SimulatedRegistry } from '../../harness/simulated-registry.ts'

const ACME = 'acme' as TenantId
const DAY_MS = 86_400_000

function partsOf(token: string): Record<string, unknown>[] {
  return token
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
}

test('nodes that start together have one key, and know the tokens of each other', async () => {
  const registry = new SimulatedRegistry()
  const clock = new SimulatedClock('tokens')
  const [a, b] = await Promise.all([
    AgentTokens.open(registry.connect(), clock),
    AgentTokens.open(registry.connect(), clock),
  ])
  const tokens = await Promise.all([a.issue('one', ACME), b.issue('two', ACME)])
  const [first, second] = tokens.map(partsOf)
  assert.equal(first![0]!.kid, second![0]!.kid)
  assert.deepEqual({ ...first![0], kid: '' }, { alg: 'EdDSA', typ: 'JWT', kid: '' })
  for (const one of [a, b]) {
    assert.deepEqual(
      tokens.map((token) => one.verify(token)?.clientId),
      ['one', 'two'],
    )
  }
  const late = await AgentTokens.open(registry.connect(), clock)
  assert.equal(late.verify(tokens[0]!)?.tenant, 'acme')
})

test('a token that was altered, is signed by another or has expired is none', async () => {
  const clock = new SimulatedClock('altered')
  const tokens = await AgentTokens.open(new SimulatedRegistry().connect(), clock)
  const strangers = await AgentTokens.open(new SimulatedRegistry().connect(), clock)
  const token = await tokens.issue('one', ACME)
  const [header, payload, signature] = token.split('.')
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const claims = partsOf(token)[1]!
  for (const wrong of [
    await strangers.issue('one', ACME),
    `${header}.${encode({ ...claims, tenant: 'rival' })}.${signature}`,
    `${encode({ alg: 'none' })}.${payload}.`,
    `${encode({ ...partsOf(token)[0], alg: 'HS256' })}.${payload}.${signature}`,
    `${header}.${payload}.`,
    `${header}.${payload}`,
    `${token}.${signature}`,
    'eyJ.eyJ.x',
  ]) {
    assert.equal(tokens.verify(wrong), undefined, wrong)
  }
  assert.equal(tokens.verify(token)?.expiresMs, Math.floor(clock.nowMs() / 1000) * 1000 + DAY_MS)
  await clock.advance(DAY_MS + 1000)
  assert.equal(tokens.verify(token), undefined)
})

test('a new key signs after 90 days, and the old one still verifies', async () => {
  const clock = new SimulatedClock('rotation')
  const tokens = await AgentTokens.open(new SimulatedRegistry().connect(), clock)
  await tokens.issue('one', ACME)
  await clock.advance(90 * DAY_MS - 3_600_000)
  const old = await tokens.issue('one', ACME)
  await clock.advance(2 * 3_600_000)
  const fresh = await tokens.issue('one', ACME)
  assert.notEqual(partsOf(old)[0]!.kid, partsOf(fresh)[0]!.kid)
  assert.equal(tokens.verify(old)?.clientId, 'one')
  assert.equal(tokens.verify(fresh)?.clientId, 'one')
})
