import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compilePipeline } from '../../../../ingest/pipeline/compile.ts'
import { StepList } from '../../../../ingest/pipeline/pipeline-run.ts'
import { environment, runSteps } from './harness.ts'

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U'
const PEM = '-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA75\nabc=\n-----END RSA PRIVATE KEY-----'

/** Text with a secret, the secret. */
const SECRETS: readonly (readonly [string, string])[] = [
  ['password=hunter2 ok', 'hunter2'],
  ['Password: "hunter2", ok', 'hunter2'],
  ["db_pass='hunter2'", 'hunter2'],
  ['{"user":"a","passwd":"hun\\"ter2","x":1}', 'hun\\"ter2'],
  ['{\\"password\\":\\"hunter2\\",\\"x\\":1}', 'hunter2'],
  ['{\\\\\\"password\\\\\\":\\\\\\"hunter2\\\\\\"}', 'hunter2'],
  ['{"key": "password", "value": {"stringValue": "hunter2"}}', 'hunter2'],
  ['{"secret": {"a": ["hunter2"]}, "x": 1}', 'hunter2'],
  ['login --password hunter2 now', 'hunter2'],
  ['<password>hunter2</password>', 'hunter2'],
  ['AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'wJalrXUtnFEMI'],
  ['client_secret: abc123def', 'abc123def'],
  ['x-api-key: abc123def', 'abc123def'],
  ['Authorization: Basic dXNlcjpodW50ZXIy', 'dXNlcjpodW50ZXIy'],
  ['Authorization: Bearer abcdef123456', 'abcdef123456'],
  ['sent bearer abcdef.123456', 'abcdef.123456'],
  ['GET https://bob:hunter2@example.com/x', 'hunter2'],
  ['GET https://hunter2token@example.com/x', 'hunter2token'],
  ['postgres://u:p%40ss@h/db?x=1', 'p%40ss'],
  [`cookie ${JWT};`, JWT],
  ['key AKIAIOSFODNN7EXAMPLE used', 'AKIAIOSFODNN7EXAMPLE'],
  [`gh ghp_${'a1B2'.repeat(9)}`, 'ghp_a1B2'],
  ['slack xoxb-1234567890-abcdefghij', 'xoxb-1234567890'],
  [`key:\n${PEM}\nend`, 'MIIEpAIBAAKCAQEA75'],
  ["mail bob.o'hara+x@mail.example.co.uk!", 'bob.o'],
  ['mail b%6Fb@example.com', 'example.com'],
  ['paid with 4111 1111 1111 1111 today', '1111 1111'],
  ['paid 5555-5555-5555-4444', '5555-4444'],
  ['amex 378282246310005', '378282246310005'],
  ['at 2026 4111111111111111 12', '4111111111111111'],
  ['ssn 078-05-1120', '078-05-1120'],
  ['nino AB123456C', 'AB123456C'],
  ['dni 12345678Z', '12345678Z'],
  ['nir 1 85 05 78 006 084 91', '006 084 91'],
  ['pnr 811228-9874', '811228-9874'],
  ['cpf 529.982.247-25', '529.982.247-25'],
  ['cn 11010519491231002X', '11010519491231002X'],
  ['pesel 44051401359', '44051401359'],
  ['\\u0070assword=hunter2', 'hunter2'],
  ['pass%77ord=hunter2', 'hunter2'],
]

/** Texts that only look as if. */
const INNOCENT = [
  'compass: north, passed=5, bypass: on, secretary: Bob',
  'Password reset for bob',
  'tokens=512 max_tokens: 4096',
  '2026-11-21T22:33:26.123456789Z took 1700000000123 ns 1700000000123456789',
  'order 4111111111111112',
  'bearer of bad news; basic training',
  'http://example.com:8080/a@b',
  'a @ b, @angular/core, user@host',
  'ratio 12:34:56 10.0.0.1 fe80::1',
  'eyJ is the beginning',
  'id 000-12-3456 12345678A',
]

function masked(text: string, more: object = {}): string {
  return JSON.parse(runSteps([{ type: 'mask', ...more }], [{ text }])[0]!).text
}

test('secrets in text are found, whatever stands around them, and nothing else is', () => {
  for (const [text, secret] of SECRETS) {
    const hidden = masked(text)
    assert.ok(!hidden.includes(secret), `${text} → ${hidden}`)
    assert.match(hidden, /\[masked\]/)
  }
  for (const text of INNOCENT) assert.equal(masked(text), text)
})

test('a secret is found in every place of a record, on its decoded value', () => {
  for (const [text, secret] of SECRETS) {
    const escaped = [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
    for (const record of [
      { a: { b: { c: text } } },
      { tags: ['x', { y: [text] }] },
      `{"m":"${escaped}","a":["${escaped}"]}`,
    ]) {
      const hidden = runSteps([{ type: 'mask', memberNames: true }], [record])[0]!
      assert.ok(!JSON.stringify(JSON.parse(hidden)).includes(JSON.stringify(secret).slice(1, -1)), hidden)
    }
    const named = runSteps(
      [{ type: 'mask', memberNames: true }],
      [{ [text]: 1, n: { [text]: 2 }, l: [{ [text]: 3 }] }],
    )[0]!
    assert.ok(!named.includes(JSON.stringify(secret).slice(1, -1)), named)
  }
})

test('a member whose name says so loses all of its value, and numbers are text too', () => {
  const record =
    '{"password":12.50,"user":{"api_key":{"a":1},"apiToken":"x","tokens":512},"l":[{"pwd":"x","n":1.50},{"key":"token","value":"x"}],"\\u0070wd":"y","card":4111111111111111,"secret":null,"big":9007199254740993}'
  assert.deepEqual(runSteps([{ type: 'mask' }], [record]), [
    '{"password":"[masked]","user":{"api_key":"[masked]","apiToken":"[masked]","tokens":512},"l":[{"pwd":"[masked]","n":1.50},{"key":"token","value":"[masked]"}],"pwd":"[masked]","card":"[masked]","secret":null,"big":9007199254740993}',
  ])
})

test('what is hidden, where and how is for the definition to say', () => {
  assert.equal(masked('a@b.com 4111111111111111', { detectors: ['emails'] }), '[masked] 4111111111111111')
  assert.equal(masked('from 10.0.0.1 and fe80::1', { detectors: ['ipAddresses'] }), 'from [masked] and [masked]')
  assert.equal(masked('card 4111111111111111', { replace: 'keepLast' }), 'card ****1111')
  assert.equal(masked('password=x1', { replace: 'keepLast' }), 'password=****')
  const hash = masked('mail a@b.com', { replace: 'hash' })
  assert.match(hash, /^mail \[[0-9a-f]{16}\]$/)
  assert.equal(masked('mail a@b.com', { replace: 'hash' }), hash)
  assert.notEqual(masked('mail a@c.com', { replace: 'hash' }), hash)
  assert.equal(masked('id X-123, x-456 Ω', { patterns: [{ pattern: 'x-\\d+', flags: 'i' }], text: '#' }), 'id #, # Ω')
  assert.deepEqual(runSteps([{ type: 'mask', names: ['Pin'] }], [{ pin: 1234, password: 'x' }]), [
    '{"pin":"[masked]","password":"x"}',
  ])
  assert.deepEqual(
    runSteps(
      [{ type: 'mask', fields: ['message', 'u.mail'] }],
      [{ msg: 'a@b.com', u: { mail: 'a@b.com' }, x: 'a@b.com' }],
    ),
    ['{"msg":"[masked]","u":{"mail":"[masked]"},"x":"a@b.com"}'],
  )
  const clean = '{"a":"clean","n":1.50}'
  assert.deepEqual(runSteps([{ type: 'mask' }], [clean]), [clean])
})

test('in bytes that are no record every secret becomes stars, and the length stays', () => {
  const list = new StepList([compilePipeline('p', 1, { steps: [{ type: 'mask' }] }, environment)])
  for (const [text, secret] of SECRETS) {
    const forms = [
      Buffer.from(text),
      Buffer.from(`{"m":${JSON.stringify(text)}`),
      Buffer.from(`{"m":${JSON.stringify(JSON.stringify(text))}`),
      Buffer.concat([Buffer.from([0xff, 0x00, 0x12]), Buffer.from(text), Buffer.from([0x12, 0xff])]),
      Buffer.from(`Ωλ ${text}`),
    ]
    for (const form of forms) {
      const hidden = Buffer.from(list.hideInBytes(form))
      assert.equal(hidden.length, form.length)
      const inJson = JSON.stringify(secret).slice(1, -1)
      for (const shown of [secret, inJson, JSON.stringify(inJson).slice(1, -1)])
        assert.ok(
          !hidden.toString('latin1').includes(shown),
          `${form.toString('latin1')} → ${hidden.toString('latin1')}`,
        )
    }
  }
  const binary = (length: number) =>
    Buffer.concat([
      Buffer.from('\x0a\x08password\x12'),
      Buffer.from([length + 2, 0x0a, length]),
      Buffer.from('S'.repeat(length)),
      Buffer.from([0x1a, 1]),
    ])
  for (const length of [5, 40, 100]) {
    assert.ok(!Buffer.from(list.hideInBytes(binary(length))).includes('SS'))
  }
  assert.equal(list.hideInText('said a@b.com'), 'said [masked]')
})

test('names of the definition are hidden in refused bytes too, and in pairs of name and value', () => {
  const steps = [{ type: 'mask', names: ['pin', 'card.no'] }]
  const list = new StepList([compilePipeline('p', 1, { steps }, environment)])
  for (const [form, secret] of [
    ['{"pin":"1234","x":', '1234'],
    ['{"PIN" : 1234, x', '1234'],
    ['{"a":{"card.no":["12","34"]},', '34'],
    ['{"m":"{\\"pin\\":\\"12 34\\"}"', '34'],
    ['{"p\\u0069n":"1234",', '1234'],
    ['<13>1 - host app - - [x pin="1234"] bad', '1234'],
    ['\x0a\x03pin\x12\x041234\x1a', '1234'],
  ] as const) {
    const hidden = Buffer.from(list.hideInBytes(Buffer.from(form))).toString()
    assert.ok(!hidden.includes(secret), hidden)
    assert.equal(hidden.length, form.length)
  }
  for (const form of ['{"shipping":1234', '{"pinned":1234'])
    assert.equal(Buffer.from(list.hideInBytes(Buffer.from(form))).toString(), form)
  assert.deepEqual(runSteps(steps, [{ attr: { key: 'pin', value: '1234' } }]), [
    '{"attr":{"key":"pin","value":"[masked]"}}',
  ])
})

test('of equal keys in lists of objects none keeps a secret', () => {
  for (const json of ['{"a":[{"m":"password=hunter2","m":"ok"}]}', '{"a":[{"password":"hunter2","password":null}]}'])
    assert.ok(!runSteps([{ type: 'mask' }], [json])[0]!.includes('hunter2'))
  const clean = '{"a":[{"m":"say: \\"x\\" password","n":1.50}]}'
  assert.deepEqual(runSteps([{ type: 'mask' }], [clean]), [clean])
})

test('a pattern that matches everywhere in a long text is given up, and nothing of the text is kept', () => {
  const steps = [{ type: 'mask', patterns: ['a'] }]
  const text = 'a'.repeat(200_000)
  const startedMs = performance.now()
  assert.match(runSteps(steps, [{ m: text }])[0]!, /^failed in 0/)
  const list = new StepList([compilePipeline('p', 1, { steps }, environment)])
  assert.equal(Buffer.from(list.hideInBytes(Buffer.from(text))).toString(), '*'.repeat(text.length))
  assert.ok(performance.now() - startedMs < 2000, `${performance.now() - startedMs} ms`)
  assert.match(runSteps(steps, [{ m: 'a b '.repeat(500) }])[0]!, /masked/)
})

test('hostile text costs no more than its length', () => {
  const startedMs = performance.now()
  const long = 256 * 1024
  for (const piece of [
    'a',
    'password:{',
    'password',
    'eyJ',
    '-----BEGIN PRIVATE KEY-----',
    '@',
    'a@b.',
    '://',
    '4',
    '4 ',
    '1-',
    'bearer ',
    '\\u0070',
    '%',
    '%25',
    '\\\\',
    ':',
    'pass="',
    "token='",
    '--password ',
    '12.',
    'xoxb-',
    'AB12',
  ]) {
    const text = piece.repeat(Math.ceil(long / piece.length)).slice(0, long)
    masked(text, { detectors: ['passwords', 'tokens', 'emails', 'cards', 'nationalIds', 'ipAddresses'] })
  }
  assert.ok(performance.now() - startedMs < 10_000, `${performance.now() - startedMs} ms`)
})
