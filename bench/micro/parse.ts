/**
 * Records a second of each parser of pipelines, on one core, over lines as services write them. The reading and writing of records around it
 * is not in it.
 *
 *     node bench/micro/parse.ts [--rounds 7] [--only grok]
 */
import { parseArgs } from 'node:util'
import { CaptureRegex } from '../../base/regex-captures.ts'
import { criLine, dockerLine } from '../../ingest/pipeline/parse/container-line.ts'
import { csvParser } from '../../ingest/pipeline/parse/csv.ts'
import { GrokPattern, grokParser } from '../../ingest/pipeline/parse/grok.ts'
import { JsonObjectReader } from '../../ingest/pipeline/parse/json-object.ts'
import { keyValueParser } from '../../ingest/pipeline/parse/key-value.ts'
import { logfmtParser } from '../../ingest/pipeline/parse/logfmt.ts'
import { ParsedFields, type TextParser } from '../../ingest/pipeline/parse/parsed-fields.ts'
import { regexParser } from '../../ingest/pipeline/parse/regex.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, only: { type: 'string', default: '' } },
})
const ROUNDS = Number(values.rounds)
const LINES = 20_000

const verbs = ['GET', 'POST', 'GET', 'PUT']
const access = (i: number) =>
  `203.0.${i % 256}.${(i * 7) % 256} - user${i % 97} [21/Nov/2026:22:${10 + (i % 50)}:15 +0000] "${verbs[i % 4]} /api/v1/products/${i % 5000}?page=${i % 9} HTTP/1.1" ${i % 50 === 0 ? 500 : 200} ${1000 + (i % 9000)} "https://shop.example.com/cart/${i}" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"`
const grok = (pattern: string): TextParser => grokParser([new GrokPattern(pattern, new Map())], true)
const reader = new JsonObjectReader()
const options = { detectsTypes: true }

const CASES: Readonly<Record<string, readonly [parser: TextParser, line: (i: number) => string]>> = {
  json: [
    (text, into) => reader.members(text, into),
    (i) =>
      `{"level":"info","msg":"order ${i} created","orderId":${i},"latency_ms":${i % 900}.5,"user":{"id":"u_${i}","plan":"pro"},"ok":true,"tags":["a","b"]}`,
  ],
  'json, other text': [(text, into) => reader.members(text, into), (i) => `order ${i} was created for somebody`],
  logfmt: [
    logfmtParser({ takesFlags: false, ...options }),
    (i) =>
      `ts=2026-11-21T22:14:15.123Z level=info msg="order ${i} created" orderId=${i} latency=${i % 900}ms user=u_${i} ok=true path=/api/v1/orders`,
  ],
  keyValue: [
    keyValueParser({ pairSeparator: '; ', valueSeparator: ': ', quotes: '"', ...options }),
    (i) => `user: u_${i}; action: "login; again"; took: ${i % 900}; result: ok; ip: 10.0.0.${i % 256}; try: 1`,
  ],
  csv: [
    csvParser({
      columns: ['time', 'user', 'action', 'note', 'took', 'ip'],
      delimiter: ',',
      quote: '"',
      ignoresRest: false,
      ...options,
    }),
    (i) => `2026-11-21T22:14:15Z,u_${i},login,"said ""hello"", left",${i % 900},10.0.0.${i % 256}`,
  ],
  'regex, by V8': [
    regexParser([new CaptureRegex('^(?<ip>\\S+) (?<user>\\S+) \\[(?<time>[^\\]]+)\\] (?<status>\\d{3})', '')], true),
    (i) => `10.0.0.${i % 256} user${i} [21/Nov/2026:22:14:15 +0000] ${200 + (i % 9)} and so on to the end of the line`,
  ],
  'regex, ambiguous': [
    regexParser([new CaptureRegex('(?<what>.*) for (?<who>.*) took (?<ms>.*)ms (?<rest>.*)', '')], true),
    (i) => `order ${i} for customer c_${i} took ${i % 900}ms and was delivered for nothing`,
  ],
  'grok COMBINEDAPACHELOG': [grok('%{COMBINEDAPACHELOG}'), access],
  'grok, no match': [grok('^%{COMBINEDAPACHELOG}'), (i) => access(i).slice(0, -120)],
  'grok SYSLOGLINE': [
    grok('%{SYSLOGLINE}'),
    (i) =>
      `Nov 21 22:${10 + (i % 50)}:15 web-${i % 9} sshd[${i}]: Failed password for invalid user admin from 10.0.0.1`,
  ],
  'grok, application': [
    grok('^%{TIMESTAMP_ISO8601:time} %{LOGLEVEL:level} +\\[%{DATA:thread}\\] %{JAVACLASS:class} - %{GREEDYDATA:text}$'),
    (i) =>
      `2026-11-21 22:14:15,${100 + (i % 900)} INFO  [http-nio-${i % 9}] com.example.shop.OrderService - Order ${i} created in 12 ms`,
  ],
  cri: [
    (text) => (criLine(text) === undefined ? 'no' : undefined),
    (i) => `2026-11-21T22:14:15.${100_000_000 + i}Z stdout F order ${i} was created for somebody at some time`,
  ],
  docker: [
    (text) => (dockerLine(text) === undefined ? 'no' : undefined),
    (i) =>
      `{"log":"order ${i} was created for somebody\\n","stream":"stdout","time":"2026-11-21T22:14:15.${100_000_000 + i}Z"}`,
  ],
}

const fields = new ParsedFields()
for (const [name, [parser, line]] of Object.entries(CASES)) {
  if (!name.includes(values.only)) continue
  const lines = Array.from({ length: LINES }, (_, i) => line(i))
  const times: number[] = []
  let taken = 0
  for (let round = 0; round < ROUNDS + 2; round++) {
    const before = process.cpuUsage()
    for (const text of lines) {
      fields.reset()
      if (parser(text, fields) === undefined) taken++
    }
    const { user, system } = process.cpuUsage(before)
    if (round >= 2) times.push((user + system) / LINES)
  }
  const us = times.sort((a, b) => a - b)[times.length >> 1]!
  const share = (100 * taken) / (LINES * (ROUNDS + 2))
  const length = lines.reduce((sum, text) => sum + text.length, 0) / LINES
  console.log(
    `${name.padEnd(24)} ${us.toFixed(2).padStart(7)} µs  ${(1000 / us).toFixed(0).padStart(6)} k/s  of ${length.toFixed(0)} bytes, ${share.toFixed(0)} % parsed`,
  )
}
