import { WeirError } from '../base/errors.ts'
import { RECORD_BYTES_MAX } from '../base/limits.ts'
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE_IN_DOCUMENT,
  StructureSkipper,
} from './json-text.ts'

/** T2: about 2 ms. */
const SLICE_BYTES = 1024 * 1024
/** Of a client's id or token, as JSON. */
const TEXT_BYTES_MAX = 8192
/** Of any other text; a record could not hold a longer one. */
const OTHER_TEXT_BYTES_MAX = RECORD_BYTES_MAX
const KEY_BYTES_MAX = 256

/** A body `{"clientId":…,"token":…,"logs":[…]}`, taken apart: nothing but `logs` goes any further. */
export interface Envelope {
  readonly clientId: string | undefined
  readonly token: string | undefined
  /** The array of records. */
  readonly logs: Buffer
}

/**
 * Takes an envelope with a credential apart; undefined for any other body, which is looked at no further than needed: a body that begins with another
 * member is an envelope when it has a credential and `logs` that begin as records do, else its first record. `pause` lets others have
 * the thread. Throws invalid_body where the rest of such an envelope is not what it should be: were its records looked for all the same, what is refused of
 * it would be kept with the token.
 */
export async function takeEnvelope(body: Buffer, pause: () => Promise<void>): Promise<Envelope | undefined> {
  let p = skipSpace(body, 0)
  if (body[p] !== OPEN_BRACE) return undefined
  let isFirst = true
  let isOdd = false
  /** It begins with a member of ours. */
  let isSure = true
  const texts = new Map<string, string>()
  let logs: Buffer | undefined
  let hasRecords = false
  const broken = () => {
    if (texts.size === 0 || !(isSure || hasRecords)) return undefined
    throw new WeirError('invalid_body', 'The body is not {"clientId":"…","token":"…","logs":[…]}')
  }
  for (p = skipSpace(body, p + 1); body[p] !== CLOSE_BRACE; p = skipSpace(body, p)) {
    if (!isFirst) {
      if (body[p] !== COMMA) return broken()
      p = skipSpace(body, p + 1)
    }
    const key = keyAt(body, p)
    if (key === undefined) return broken()
    if (isFirst && key.name === 'logs' && endsWithArray(body)) return undefined
    if (isFirst) isSure = MEMBERS.has(key.name)
    isFirst = false
    p = skipSpace(body, key.end)
    if (body[p] !== COLON) return broken()
    p = skipSpace(body, p + 1)
    const isCredential = key.name === 'clientId' || key.name === 'token'
    if (isCredential) texts.set(key.name, '')
    if (key.name === 'logs') hasRecords = beginsRecords(body, p)
    const end = await valueEnd(body, p, isCredential ? TEXT_BYTES_MAX : OTHER_TEXT_BYTES_MAX, pause)
    if (end < 0) return broken()
    const value = body.subarray(p, end)
    if (key.name === 'logs') {
      if (value[0] !== OPEN_BRACKET || logs !== undefined) isOdd = true
      logs = value
    } else if (isCredential) {
      const text = textOf(value)
      if (text === undefined) return broken()
      texts.set(key.name, text)
    } else isOdd = true
    p = end
  }
  if (texts.size === 0 || !(isSure || hasRecords)) return undefined
  if (isOdd || logs === undefined || skipSpace(body, p + 1) < body.length) return broken()
  return { clientId: texts.get('clientId'), token: texts.get('token'), logs }
}

const MEMBERS: ReadonlySet<string> = new Set(['logs', 'clientId', 'token'])

/** The key whose quote stands at `at`, as it is written; one with escapes is none of ours. */
function keyAt(body: Buffer, at: number): { readonly name: string; readonly end: number } | undefined {
  if (body[at] !== QUOTE) return undefined
  const quote = body.subarray(at + 1, at + 1 + KEY_BYTES_MAX).indexOf(QUOTE)
  return quote < 0 ? undefined : { name: body.toString('latin1', at + 1, at + 1 + quote), end: at + quote + 2 }
}

/** `[{`: no record has such a field beside a token. */
function beginsRecords(body: Buffer, at: number): boolean {
  return body[at] === OPEN_BRACKET && body[skipSpace(body, at + 1)] === OPEN_BRACE
}

async function valueEnd(body: Buffer, at: number, textBytesMax: number, pause: () => Promise<void>): Promise<number> {
  if (body[at] === QUOTE) return stringEnd(body, at, textBytesMax)
  if (body[at] !== OPEN_BRACE && body[at] !== OPEN_BRACKET) {
    let p = at
    while (p < body.length && body[p] !== COMMA && body[p] !== CLOSE_BRACE && p - at < KEY_BYTES_MAX) p++
    return p
  }
  const skipper = new StructureSkipper()
  for (let p = at; p < body.length; p += SLICE_BYTES) {
    if (p > at) await pause()
    const end = skipper.step(body, p, Math.min(body.length, p + SLICE_BYTES))
    if (end >= 0) return end
  }
  return -1
}

function stringEnd(body: Buffer, at: number, textBytesMax: number): number {
  const limit = Math.min(body.length, at + textBytesMax)
  for (let p = at + 1; p < limit; p++) {
    if (body[p] === QUOTE) return p + 1
    if (body[p] === 0x5c) p++
  }
  return -1
}

function textOf(json: Buffer): string | undefined {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'))
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}

/** What most envelopes end with: then nothing follows the records. */
function endsWithArray(body: Buffer): boolean {
  let p = body.length - 1
  while (p > 0 && SPACE_IN_DOCUMENT[body[p]!] === 1) p--
  if (body[p] !== CLOSE_BRACE) return false
  for (p--; p > 0 && SPACE_IN_DOCUMENT[body[p]!] === 1; ) p--
  return body[p] === CLOSE_BRACKET
}

function skipSpace(body: Buffer, from: number): number {
  let p = from
  while (SPACE_IN_DOCUMENT[body[p]!] === 1) p++
  return p
}
