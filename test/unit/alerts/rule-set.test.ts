import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normaliseRule } from '../../../alerts/rule.ts'
import { RuleSet } from '../../../alerts/rule-set.ts'
import { TENANT_DEFAULT, type TenantId } from '../../../base/ids.ts'
import { Prng } from '../../../base/prng.ts'
import { columnSourceOf, flatRecord, string } from '../../harness/column-source.ts'
import { matches } from '../../harness/oracle.ts'
import { randomFilter, randomRecord, SERVICES } from '../../harness/random-query.ts'

const T = 1_760_000_000_000
const OTHER = 'other' as TenantId

function namesTime(text: string): boolean {
  return text.includes('"timestamp"')
}

test('each rule is given exactly the rows that match it', () => {
  for (let seed = 0; seed < 150; seed++) {
    const random = new Prng(`rule set ${seed}`)
    const rules = Array.from({ length: 40 }, (_, i) => {
      const rule = normaliseRule(
        random.chance(0.1) ? OTHER : TENANT_DEFAULT,
        `r${i}`,
        1,
        {
          name: 'r',
          query: random.chance(0.2) ? 'timeout' : '',
          severity: 'P1',
          ...(random.chance(0.4) ? { service: random.chance(0.5) ? random.pick(SERVICES) : ['cart', 'checkout'] } : {}),
          ...(random.chance(0.3) ? { level: random.pick(['error', 'warn', 'INFO']) } : {}),
          condition: { count: '>1', window: '1m', ...(random.chance(0.2) ? { ratio: { query: 'out' } } : {}) },
          enabled: random.chance(0.95),
        },
        T,
      )
      // Filters beyond what a rule's text can say, too.
      const own = randomFilter(random, T)
      if (namesTime(JSON.stringify(own)) || random.chance(0.2)) return rule
      return { ...rule, filter: { kind: 'and' as const, of: [rule.filter, own] } }
    })
    const set = new RuleSet(rules)
    const records = Array.from({ length: 1 + random.below(60) }, (_, i) => {
      const record = randomRecord(random, T + i, 0)
      const fields = new Map(record.fields)
      if (random.chance(0.1)) fields.delete('service')
      if (random.chance(0.1)) fields.delete('level')
      if (seed % 10 === 0 && random.chance(0.2)) fields.set('note', string('\u212aernel o\u212a time'))
      return { ...record, fields, ...(seed % 7 === 0 ? { overflow: new Set(['note', 'status']) } : {}) }
    })
    const kinds = ['dictionary', 'bytes', 'integer'] as const
    const source = columnSourceOf(records, () => random.pick(kinds))
    const chosen = random.chance(0.3) ? Uint32Array.from(records.keys()).filter(() => random.chance(0.5)) : null
    const found = new Map<string, number[]>()
    set.count(source, chosen, TENANT_DEFAULT, ({ rule, ruleIndex, side }, rows) => {
      assert.equal(rules[ruleIndex], rule)
      const key = `${rule.id} ${side}`
      found.set(key, [...(found.get(key) ?? []), ...rows])
    })
    for (const rule of rules) {
      for (const side of ['own', 'base'] as const) {
        const filter = side === 'own' ? rule.filter : rule.condition.ratio?.filter
        const isCounted = filter !== undefined && rule.enabled && rule.tenant === TENANT_DEFAULT
        const wanted = [...(chosen ?? records.keys())].filter((row) => isCounted && matches(filter, records[row]!))
        const given = (found.get(`${rule.id} ${side}`) ?? []).toSorted((a, b) => a - b)
        assert.deepEqual(given, wanted, `seed ${seed}: ${JSON.stringify(filter)}`)
      }
    }
  }
})

test('words and values of many rules are found in any kind of column', () => {
  const definition = (query: string) => ({
    name: query,
    query,
    severity: 'P2',
    condition: { count: '>0', window: '1m' },
  })
  const queries = [
    'disk',
    'message:disk',
    'host:disk',
    'message:"disk full"',
    'status:500',
    'status:500 full',
    'status:"500.0"',
    'region:eu-west-1',
    'disk OR status:500',
    'message:/dis[ck] full/',
    'message:*full*',
    'NOT disk',
    '_exists_:status',
    'latency:>=100',
    'host:web*',
  ]
  const rules = queries.map((query, i) => normaliseRule(TENANT_DEFAULT, `${i}`, 1, definition(query), T))
  const records = [
    flatRecord(T, { message: 'DISK full', host: 'disk', status: 500, region: 'eu-west-1', latency: 100 }),
    flatRecord(T, { message: 'the dis\u212a is full', host: 'web-1', status: 500, latency: 99 }),
    flatRecord(T, { message: 'disks', status: '500' }),
    flatRecord(T, { message: null, region: 'eu-west-2', latency: 1e9 }),
  ]
  for (const kind of ['dictionary', 'bytes', 'integer'] as const) {
    const source = columnSourceOf(records, () => kind)
    const found = rules.map((): number[] => [])
    new RuleSet(rules).count(source, null, TENANT_DEFAULT, ({ ruleIndex }, rows) => found[ruleIndex]!.push(...rows))
    rules.forEach(({ filter, query }, i) => {
      const wanted = [...records.keys()].filter((row) => matches(filter, records[row]!))
      assert.deepEqual(found[i]!.toSorted(), wanted, `${query} in ${kind} columns`)
    })
  }
})
