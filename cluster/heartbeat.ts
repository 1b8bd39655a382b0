import { pack, unpack } from 'msgpackr'
import { WeirError } from '../base/errors.ts'
import type { NodeId } from '../base/ids.ts'
import { HEARTBEAT_BYTES_MAX, MEMBER_NAME_CHARS_MAX, MEMBER_WEIGHT_MAX, WORKERS_MAX } from '../base/limits.ts'

/**
 * `joining`: it does not take shards yet; `draining`: it keeps its shards until others have taken them over. A state that a later version may
 * add is read as `active`.
 */
export type MemberState = 'joining' | 'active' | 'draining'

/** What a node carries; means over the last second or so. */
export interface NodeLoad {
  readonly recordsPerSecond: number
  /** Of request bodies, as they were sent. */
  readonly bytesPerSecond: number
  /** CPU cores that the process keeps busy. */
  readonly cpuCores: number
}

/** What a node says of itself. */
export interface Member {
  readonly nodeId: NodeId
  /** Rises with every start of any node of the cluster: of two processes with one node id the higher is the newer. */
  readonly boot: number
  readonly version: string
  /** C9: feature levels that it can write. */
  readonly featureLevels: { readonly min: number; readonly max: number }
  /** Share of the shards that it wants, relative to the others; over 0, at most MEMBER_WEIGHT_MAX. */
  readonly weight: number
  /** Of its HTTP side; null while it does not listen yet. */
  readonly url: string | null
  readonly workers: number
  readonly state: MemberState
  /** Wall clock of the node itself, ms since the epoch: to be shown, not to be reckoned with. */
  readonly startedMs: number
  readonly load: NodeLoad
  /** Address of the NATS server that it is connected to; null when there is none. */
  readonly natsServer: string | null
  /** Worker threads that make no progress. */
  readonly stuck: readonly string[]
}

export interface Heartbeat {
  readonly member: Member
  /** Rises with every heartbeat of a boot; an older one that arrives late says nothing. */
  readonly beat: number
  /** Its last one: it has given its shards away and ends. */
  readonly isGoodbye: boolean
}

const FORMAT = 1
/** The latest time that a Date can hold. */
const TIME_MAX_MS = 8.64e15
export const NO_LOAD: NodeLoad = { recordsPerSecond: 0, bytesPerSecond: 0, cpuCores: 0 }

/** MessagePack of one map; docs/formats.md. Later versions may add keys, not change what these mean. */
export function encodeHeartbeat({ member, beat, isGoodbye }: Heartbeat): Uint8Array {
  return pack({ format: FORMAT, ...member, beat, isGoodbye })
}

/** Keys that it does not know are passed over; those that a version before did not send get neutral values. Throws corrupt_data. */
export function decodeHeartbeat(bytes: Uint8Array): Heartbeat {
  const from = fieldsOf(bytes)
  const nodeId = from.nodeId
  if (!isName(nodeId)) throw malformed('nodeId')
  const { boot, beat, weight, workers } = from
  if (!isCount(boot)) throw malformed('boot')
  if (!isCount(beat)) throw malformed('beat')
  if (!isWithin(weight, 0, MEMBER_WEIGHT_MAX) || weight === 0) throw malformed('weight')
  return {
    member: {
      nodeId: nodeId as NodeId,
      boot,
      version: isName(from.version) ? from.version : '',
      featureLevels: featureLevelsOf(from.featureLevels),
      weight,
      url: isName(from.url) ? from.url : null,
      workers: isWithin(workers, 0, WORKERS_MAX) ? Math.floor(workers) : 0,
      state: from.state === 'joining' || from.state === 'draining' ? from.state : 'active',
      startedMs: isWithin(from.startedMs, 0, TIME_MAX_MS) ? Math.floor(from.startedMs) : 0,
      load: loadOf(from.load),
      natsServer: isName(from.natsServer) ? from.natsServer : null,
      stuck: Array.isArray(from.stuck) ? from.stuck.filter(isName).slice(0, WORKERS_MAX) : [],
    },
    beat,
    isGoodbye: from.isGoodbye === true,
  }
}

type Fields = Readonly<Partial<Record<keyof Member | 'beat' | 'isGoodbye', unknown>>>

function fieldsOf(bytes: Uint8Array): Fields {
  if (bytes.length > HEARTBEAT_BYTES_MAX) throw malformed('size')
  let value: unknown
  try {
    value = unpack(bytes)
  } catch (cause) {
    throw new WeirError('corrupt_data', 'a heartbeat cannot be decoded', {}, { cause })
  }
  if (!isMap(value)) throw malformed('format')
  return value
}

function featureLevelsOf(value: unknown): Member['featureLevels'] {
  if (!isMap(value) || !isCount(value.min) || !isCount(value.max) || value.min > value.max) {
    throw malformed('featureLevels')
  }
  return { min: value.min, max: value.max }
}

function loadOf(value: unknown): NodeLoad {
  const from = isMap(value) ? value : {}
  const figure = (of: unknown): number => (isWithin(of, 0, Number.MAX_VALUE) ? of : 0)
  return {
    recordsPerSecond: figure(from.recordsPerSecond),
    bytesPerSecond: figure(from.bytesPerSecond),
    cpuCores: figure(from.cpuCores),
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MEMBER_NAME_CHARS_MAX
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && value >= min && value <= max
}

function malformed(field: string): WeirError {
  return new WeirError('corrupt_data', `a heartbeat is malformed: ${field}`, { field })
}
