import { isUtf8 } from 'node:buffer'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { type JsonWriter, jsonKey } from './json-writer.ts'
import type { SyslogBatch } from './syslog-batch.ts'
import { SyslogHead } from './syslog-head.ts'
import { structuredDataEnd, writeStructuredData } from './syslog-structured-data.ts'

const SPACE = 0x20
const DASH = 0x2d
const LESS_THAN = 0x3c
const MORE_THAN = 0x3e

const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug']
const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['ntp', 'audit', 'alert', 'clock', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
]
/** Priority (facility × 8 + severity) → members of the record. */
const PRIORITIES: readonly Buffer[] = FACILITIES.flatMap((facility) =>
  SEVERITIES.map((severity) => Buffer.from(`"level":"${severity}","facility":"${facility}"`)),
)

const TIMESTAMP = jsonKey('timestamp')
const HOST = jsonKey('host')
const SERVICE = jsonKey('service')
const PROCESS = jsonKey('procid')
const MESSAGE_ID = jsonKey('msgid')
const MESSAGE = jsonKey('message')

const TOO_LONG: Refusal = { code: 'record_too_large', reason: 'the message is longer than syslog messages may be' }
const NO_TEXT: Refusal = {
  code: 'invalid_record',
  reason: 'the message has no priority such as <13>, and is no text either',
}

/**
 * Decodes the messages of a batch, whose bytes `source` is: RFC 5424 with structured data, RFC 3164 and what is met beside it (see SyslogHead).
 * A message without a priority is taken as it is when it is text. One that is not UTF-8 is taken for Latin-1. A message that
 * names no host has the address it came from. `nowMs` gives a year to times that have none.
 */
export function* decodeSyslog(source: Buffer, into: DecodedBody, batch: SyslogBatch, nowMs: number): Decoding {
  const head = new SyslogHead(nowMs)
  const isAllUtf8 = isUtf8(source)
  for (let i = 0; i < batch.count; i++) {
    const start = batch.start(i)
    const end = batch.end(i)
    if (into.isPauseDue(end)) yield
    if (batch.isCut(i)) {
      into.refuse(start, end, TOO_LONG)
      continue
    }
    let isTaken: boolean
    into.begin()
    if (isAllUtf8 || isUtf8(source.subarray(start, end))) {
      isTaken = writeMessage(into.json, head, source, start, end, batch.sender(i))
    } else {
      const latin = Buffer.from(source.toString('latin1', start, end))
      isTaken =
        priorityEnd(latin, 0, latin.length) > 0 &&
        writeMessage(into.json, head, latin, 0, latin.length, batch.sender(i))
    }
    if (isTaken) into.end(start, end)
    else into.refuse(start, end, NO_TEXT)
  }
}

/** Writes the members of the record; false when nothing can be made of the message. */
function writeMessage(
  json: JsonWriter,
  head: SyslogHead,
  bytes: Buffer,
  start: number,
  lineEnd: number,
  sender: string,
): boolean {
  let end = lineEnd
  while (end > start && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d || bytes[end - 1] === 0)) end--
  const p = priorityEnd(bytes, start, end)
  if (p > start) {
    const priority = PRIORITIES[priorityOf(bytes, start + 1, p - 1)]!
    json.jsonLine(priority, 0, priority.length)
    if (bytes[p] === 0x31 && bytes[p + 1] === SPACE && writeModern(json, head, bytes, p + 2, end, sender)) return true
  } else if (!isText(bytes, start, end)) return false
  writeTraditional(json, head, bytes, p, end, sender)
  return true
}

/** Where what follows the priority begins; `start` when there is none. */
function priorityEnd(bytes: Buffer, start: number, end: number): number {
  if (bytes[start] !== LESS_THAN) return start
  let p = start + 1
  while (p < end && p < start + 4 && bytes[p]! >= 0x30 && bytes[p]! <= 0x39) p++
  if (p === start + 1 || p >= end || bytes[p] !== MORE_THAN) return start
  return priorityOf(bytes, start + 1, p) < PRIORITIES.length ? p + 1 : start
}

function priorityOf(bytes: Buffer, start: number, end: number): number {
  let value = 0
  for (let p = start; p < end; p++) value = value * 10 + bytes[p]! - 0x30
  return value
}

/** RFC 5424 after its version; false, and nothing written, when it is something else. */
function writeModern(
  json: JsonWriter,
  head: SyslogHead,
  bytes: Buffer,
  start: number,
  end: number,
  sender: string,
): boolean {
  const timeEnd = wordEnd(bytes, start, end)
  const hostEnd = wordEnd(bytes, timeEnd + 1, end)
  const appEnd = wordEnd(bytes, hostEnd + 1, end)
  const processEnd = wordEnd(bytes, appEnd + 1, end)
  if (processEnd >= end) return false
  const idEnd = wordEnd(bytes, processEnd + 1, end)
  const hasTime = !isNil(bytes, start, timeEnd)
  if (hasTime && !head.isTime(bytes, start, timeEnd)) return false
  if (hasTime) member(json, TIMESTAMP, bytes, start, timeEnd)
  if (isNil(bytes, timeEnd + 1, hostEnd)) writeSender(json, sender)
  else member(json, HOST, bytes, timeEnd + 1, hostEnd)
  if (!isNil(bytes, hostEnd + 1, appEnd)) member(json, SERVICE, bytes, hostEnd + 1, appEnd)
  if (!isNil(bytes, appEnd + 1, processEnd)) member(json, PROCESS, bytes, appEnd + 1, processEnd)
  if (!isNil(bytes, processEnd + 1, idEnd)) member(json, MESSAGE_ID, bytes, processEnd + 1, idEnd)
  let p = Math.min(end, idEnd + 1)
  if (bytes[p] === DASH && (p + 1 >= end || bytes[p + 1] === SPACE)) p++
  else {
    const dataEnd = structuredDataEnd(bytes, p, end)
    if (dataEnd > p) writeStructuredData(json, bytes, p, dataEnd)
    p = dataEnd
  }
  if (p < end && bytes[p] === SPACE) p++
  // A byte order mark says that the text is UTF-8.
  if (bytes[p] === 0xef && bytes[p + 1] === 0xbb && bytes[p + 2] === 0xbf) p += 3
  member(json, MESSAGE, bytes, Math.min(p, end), end)
  return true
}

function writeTraditional(
  json: JsonWriter,
  head: SyslogHead,
  bytes: Buffer,
  start: number,
  end: number,
  sender: string,
): void {
  head.read(bytes, start, end)
  if (head.timeStart >= 0) member(json, TIMESTAMP, bytes, head.timeStart, head.timeEnd)
  else if (head.timeUs >= 0) {
    json.key(TIMESTAMP)
    json.number(head.timeUs)
  }
  if (head.hostStart >= 0) member(json, HOST, bytes, head.hostStart, head.hostEnd)
  else writeSender(json, sender)
  if (head.tagStart >= 0) member(json, SERVICE, bytes, head.tagStart, head.tagEnd)
  if (head.pidStart >= 0) member(json, PROCESS, bytes, head.pidStart, head.pidEnd)
  if (head.idStart >= 0) member(json, MESSAGE_ID, bytes, head.idStart, head.idEnd)
  member(json, MESSAGE, bytes, head.messageStart, end)
}

function member(json: JsonWriter, key: Buffer, bytes: Buffer, start: number, end: number): void {
  json.key(key)
  json.text(bytes, start, end)
}

function writeSender(json: JsonWriter, sender: string): void {
  if (sender === '') return
  json.key(HOST)
  json.string(sender)
}

/** Where the next space is, or `end`. The words of a head are short: a call that searches costs more than this loop. */
function wordEnd(bytes: Buffer, start: number, end: number): number {
  let p = start
  while (p < end && bytes[p] !== SPACE) p++
  return Math.min(p, end)
}

/** `-`, or nothing at all. */
function isNil(bytes: Buffer, start: number, end: number): boolean {
  return end <= start || (end === start + 1 && bytes[start] === DASH)
}

function isText(bytes: Buffer, start: number, end: number): boolean {
  for (let p = start; p < end; p++) {
    const c = bytes[p]!
    if (c < SPACE && c !== 0x09 && c !== 0x0a && c !== 0x0d) return false
  }
  return end > start
}
