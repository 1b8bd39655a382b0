import { RECORD_BYTES_MAX } from '../../base/limits.ts'
import type { DecodedBody, Decoding, Refusal } from './decoded-body.ts'
import { jsonKey } from './json-writer.ts'
import { MsgpackHead, msgpackEnd, nanosecondsOf, passMsgpack, writeMsgpackMembers } from './msgpack.ts'

const TIMESTAMP = jsonKey('timestamp')
/** `source: stdout` or `stderr`, as Docker's driver says it: no name of a service, though `source` may be one. */
const SOURCE_OF_DOCKER = Buffer.from('\xa6source\xa6std', 'latin1')
/** T2: its values are passed in one go. */
const SHORT_EVENT_BYTES = 128 * 1024
const NO_EVENT: Refusal = { code: 'invalid_record', reason: 'an event is a time and a map whose keys are text' }

const TOO_LONG: Refusal = { code: 'record_too_large', reason: `an event may have ${RECORD_BYTES_MAX} bytes` }

/** A message of the Fluentd forward protocol, version 1: one event, or a list of events, or a stream of them as bytes. */
export interface ForwardMessage {
  readonly tag: string
  /** Where the events are: the time of the one event, the array, or the bytes of the stream. */
  readonly start: number
  readonly end: number
  readonly mode: 'message' | 'forward' | 'packed'
  /** Of a stream. */
  readonly compression: 'gzip' | 'zstd' | undefined
  /** To be named in the answer once the events are durable. */
  readonly chunk: string | undefined
}

/** Events that stand in bytes which are decoded together. */
export type ForwardPart = Pick<ForwardMessage, 'tag' | 'start' | 'end' | 'mode'>

/** Reads what stands around the events of the message bytes[start, end); undefined when it is no message of the protocol. Yields where that takes long. */
export function* forwardMessage(
  bytes: Buffer,
  start: number,
  end: number,
): Generator<void, ForwardMessage | undefined> {
  const head = new MsgpackHead()
  if (!head.read(bytes, start, end) || head.kind !== 'array' || head.inner < 2) return undefined
  let { inner } = head
  if (!head.read(bytes, head.end, end) || !head.isText) return undefined
  const tag = bytes.toString('utf8', head.start, head.end)
  const at = head.end
  if (!head.read(bytes, at, end)) return undefined
  const { kind } = head
  const mode = kind === 'array' ? 'forward' : kind === 'text' ? 'packed' : 'message'
  const eventsStart = mode === 'packed' ? head.start : at
  const packedEnd = head.end
  let eventsEnd = mode === 'packed' ? packedEnd : end
  if (mode === 'forward') eventsEnd = yield* passMsgpack(head, bytes, at, end)
  inner -= mode === 'message' ? 3 : 2
  if (inner < 0 || inner > 1 || eventsEnd < 0) return undefined
  let optionsAt = eventsEnd
  if (mode === 'message') {
    const mapAt = yield* passMsgpack(head, bytes, at, end)
    optionsAt = mapAt < 0 ? -1 : yield* passMsgpack(head, bytes, mapAt, end)
  }
  const options = inner === 1 ? yield* optionsOf(bytes, optionsAt, end) : undefined
  const compressed = mode === 'packed' ? (options?.get('compressed') ?? 'text') : 'text'
  // Bytes that cannot be read would become rubbish, and the client be told that they are stored.
  if (compressed !== 'gzip' && compressed !== 'zstd' && compressed !== 'text') return undefined
  return {
    tag,
    start: eventsStart,
    end: mode === 'message' ? optionsAt : eventsEnd,
    mode,
    compression: compressed === 'text' ? undefined : compressed,
    chunk: options?.get('chunk'),
  }
}

/** The values of a map that are text. */
function* optionsOf(bytes: Buffer, p: number, end: number): Generator<void, Map<string, string>> {
  const options = new Map<string, string>()
  const head = new MsgpackHead()
  if (p < 0 || !head.read(bytes, p, end) || head.kind !== 'map') return options
  let at = head.end
  for (let left = head.inner; left > 0; left -= 2) {
    if (!head.read(bytes, at, end) || !head.isText) return options
    const name = bytes.toString('utf8', head.start, head.end)
    at = head.end
    if (!head.read(bytes, at, end)) return options
    if (head.isText) options.set(name, bytes.toString('utf8', head.start, head.end))
    at = yield* passMsgpack(head, bytes, at, end)
    if (at < 0) return options
  }
  return options
}

/**
 * Decodes the events of `parts`, in order. An event has the members of its map, its time as `timestamp`, and `tag`, which is its service unless it
 * names one. A stream that breaks off, or is none, is one refused record from there on.
 */
export function* decodeForward(source: Buffer, into: DecodedBody, parts: readonly ForwardPart[]): Decoding {
  const head = new MsgpackHead()
  for (const { tag, start, end, mode } of parts) {
    const members = membersOf(tag)
    if (end - start > RECORD_BYTES_MAX && mode === 'message') {
      into.refuse(start, end, TOO_LONG)
      continue
    }
    if (mode === 'message') {
      const middle = msgpackEnd(source, start, end)
      writeEvent(into, head, source, start, middle, middle < 0 ? end : msgpackEnd(source, middle, end), end, members)
      continue
    }
    let at = start
    if (mode === 'forward' && head.read(source, start, end)) at = head.end
    while (at < end) {
      if (into.isPauseDue(at)) yield
      let next = shortEnd(source, at, end)
      if (next < 0) next = yield* passMsgpack(head, source, at, end)
      if (next < 0) {
        into.refuse(at, end, NO_EVENT)
        break
      }
      if (next - at > RECORD_BYTES_MAX) {
        into.refuse(at, next, TOO_LONG)
        at = next
        continue
      }
      const isPair = head.read(source, at, next) && head.kind === 'array' && head.inner === 2
      const time = isPair ? head.end : -1
      writeEvent(into, head, source, at, time < 0 ? -1 : msgpackEnd(source, time, next), next, next, members, time)
      at = next
    }
  }
}

/** Where an event of ordinary length ends, without a generator; -1 where that is to be looked for in steps. */
function shortEnd(source: Buffer, at: number, end: number): number {
  return msgpackEnd(source, at, Math.min(end, at + SHORT_EVENT_BYTES))
}

/** What an event gets before its own members, by who sent it: `job` is the last of the names that a service may have, `service` the first. */
interface TagMembers {
  readonly usual: Buffer
  readonly ofDocker: Buffer
}

function membersOf(tag: string): TagMembers {
  const membersBy = (name: string) => Buffer.from(JSON.stringify({ tag, [name]: tag }).slice(1, -1))
  return { usual: membersBy('job'), ofDocker: membersBy('service') }
}

/** The event that came as [start, end): its time at `time`, its map at [map, mapEnd), which is -1 where there is none. */
function writeEvent(
  into: DecodedBody,
  head: MsgpackHead,
  source: Buffer,
  start: number,
  map: number,
  mapEnd: number,
  end: number,
  tagged: TagMembers,
  time = start,
): void {
  const { json } = into
  const isOfDocker = map >= 0 && mapEnd >= 0 && source.subarray(map, mapEnd).includes(SOURCE_OF_DOCKER)
  const members = isOfDocker ? tagged.ofDocker : tagged.usual
  into.begin()
  json.jsonLine(members, 0, members.length)
  // Fluent Bit may send metadata beside the time: [[time, {…}], {…}].
  let isTime = map >= 0 && head.read(source, time, map)
  if (isTime && head.kind === 'array') isTime = head.read(source, head.end, map)
  if (isTime && head.kind === 'time') {
    json.key(TIMESTAMP)
    json.number(nanosecondsOf(head))
  } else if (isTime && head.kind === 'number') {
    json.key(TIMESTAMP)
    json.number(head.value as number | bigint)
  }
  if (map >= 0 && mapEnd >= 0 && writeMsgpackMembers(json, source, map, mapEnd)) into.end(start, end)
  else into.refuse(start, end, NO_EVENT)
}
