import { equal, match, ok } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { bannerText } from '../../../node/banner.ts'

const FACTS = {
  version: '0.1.0',
  url: 'http://127.0.0.1:9347',
  dataDir: '/var/lib/weir',
  authMode: 'off',
  demo: false,
  colour: false,
} as const

/** The arguments that a shell makes of each curl command of the text. */
function curls(text: string): string[][] {
  const script = text.slice(text.indexOf('  curl')).replace(/^(find it|stop with.*)$/gm, '')
  const shell = `curl() { for argument in "$@"; do printf '%s\\0' "$argument"; done; printf '\\n'; }\n${script}`
  const out = execFileSync('sh', ['-c', shell], { encoding: 'utf8', env: { WEIR_KEY: 'from-env' } })
  return out
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\0').slice(0, -1))
}

test('the banner says where the node answers and where data lives, and its commands survive a shell', () => {
  const text = bannerText(FACTS)
  match(text, /Weir 0\.1\.0 answers at http:\/\/127\.0\.0\.1:9347\ndata lives in \/var\/lib\/weir/)
  const [send, find] = curls(text)
  equal(send![0], 'http://127.0.0.1:9347/v1/logs/ingest')
  equal(JSON.parse(send!.at(-1)!).level, 'ERROR')
  equal(find!.at(-1), 'query=timeout level:ERROR')
})

test('a new admin key is shown and used in the commands; later starts refer to the variable', () => {
  const first = bannerText({ ...FACTS, authMode: 'keys', newAdminKey: 'wk_123' })
  match(first, /shown this once/)
  ok(curls(first)[0]!.includes('authorization: Bearer wk_123'))
  const later = bannerText({ ...FACTS, authMode: 'keys' })
  ok(!later.includes('shown this once'))
  ok(curls(later)[1]!.includes('authorization: Bearer from-env'))
})

test('colour is used only where it is asked for', () => {
  const sequence = '\u001b['
  ok(!bannerText({ ...FACTS, demo: true }).includes(sequence))
  ok(bannerText({ ...FACTS, colour: true }).includes(sequence))
})
