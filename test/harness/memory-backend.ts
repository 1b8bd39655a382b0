import { isInForce } from '../../actors/alert-keeper-silences.ts'
import type { BacktestAnswer } from '../../actors/messages/alert.ts'
import type { ClusterStatus } from '../../actors/messages/cluster.ts'
import type { IngestReceipt, IngestRequest, RecordReject } from '../../actors/messages/ingest.ts'
import type {
  Coverage,
  QueryBase,
  QueryStats,
  RowsAnswer,
  SearchRequest,
  TableAnswer,
} from '../../actors/messages/search.ts'
import type { LiveTail, TailClient } from '../../actors/messages/tail.ts'
import { UploadDesk } from '../../actors/upload-desk.ts'
import { UploadLedger } from '../../actors/upload-ledger.ts'
import type {
  AgentBackend,
  AlertBackend,
  AlertChannelBackend,
  AlertStore,
  Backend,
  ClusterBackend,
  IngestBackend,
  KeyBackend,
  KeyRecord,
  PipelineBackend,
  SearchBackend,
  StatusBackend,
  TailBackend,
  UploadBackend,
} from '../../api/backend.ts'
import { systemClock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import type { NodeId, ShardId, TenantId } from '../../base/ids.ts'
import type { Registry } from '../../cluster/registry.ts'
import { AgentStore } from '../../node/agent-store.ts'
import { AlertDesk, openAlertRules, openAlertSilences } from '../../node/alert-desk.ts'
import { PipelineStore } from '../../node/pipeline-store.ts'
import { memoryChannels } from './memory-channels.ts'
import { MemoryObjectStore } from './memory-object-store.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { loggerTo } from './simulated-logger.ts'
import { SimulatedRegistry } from './simulated-registry.ts'

interface StoredRecord {
  readonly id: string
  readonly timeMs: number
  readonly level: string
  readonly service: string
  readonly traceId: string
  readonly json: string
}

const COVERAGE: Coverage = {
  complete: true,
  shards: 1,
  answered: 1,
  missing: [],
  tiers: { hot: { blocks: 1, rows: 1 }, warm: { blocks: 0, rows: 0 }, cold: { blocks: 0, rows: 0 } },
}
const STATS: QueryStats = { blocks: 1, blocksSkipped: 0, rowsScanned: 1, bytesRead: 1 }
const ANSWERED = { coverage: COVERAGE, stats: STATS, tookMs: 0.1234567 }

/** Two nodes, one of them silent, and a shard that moves. */
const CLUSTER: ClusterStatus = {
  name: 'test',
  nodeId: 'n1' as NodeId,
  settled: true,
  nodes: [
    {
      id: 'n1' as NodeId,
      state: 'active',
      url: 'http://127.0.0.1:9347',
      version: '1.2.3',
      startedMs: Date.UTC(2026, 0, 1),
      workers: 2,
      shards: 1,
      standbys: 1,
      load: { recordsPerSecond: 1234.5, bytesPerSecond: 2_500_000, cpuCores: 0.5 },
      natsServer: '127.0.0.1:4222',
      stuck: ['worker-1'],
    },
    {
      id: 'node two' as NodeId,
      state: 'silent',
      url: null,
      version: null,
      startedMs: null,
      workers: 0,
      shards: 1,
      standbys: 0,
      load: { recordsPerSecond: 0, bytesPerSecond: 0, cpuCores: 0 },
      natsServer: null,
      stuck: [],
    },
  ],
  shards: [
    {
      shard: 0 as ShardId,
      owner: 'n1' as NodeId,
      standby: null,
      epoch: 4,
      lagRecords: 12,
      lagMs: 1500,
      floor: { generation: 1, sequence: 99 },
    },
    {
      shard: 1 as ShardId,
      owner: 'node two' as NodeId,
      standby: 'n1' as NodeId,
      epoch: 2,
      lagRecords: null,
      lagMs: null,
      floor: { generation: 1, sequence: 5 },
    },
    { shard: 2 as ShardId, owner: null, standby: null, epoch: 0, lagRecords: null, lagMs: null, floor: null },
  ],
  moves: [
    {
      shard: 1 as ShardId,
      from: 'node two' as NodeId,
      to: 'n1' as NodeId,
      state: 'catchingUp',
      lagRecords: 40_000,
      lagMs: 2500,
    },
    { shard: 2 as ShardId, from: null, to: 'n1' as NodeId, state: 'planned', lagRecords: null, lagMs: null },
  ],
}

/** A tail of a service that says nothing. */
function emptyTail(client: TailClient): LiveTail {
  return {
    start: async () => client.began('begun'),
    change: async () => client.began('changed'),
    pause: () => client.paused('paused'),
    resume: () => client.began('resumed'),
    end: (error) => client.ended(error, 'ended'),
    close: () => undefined,
  }
}

/**
 * The node behind the HTTP layer, held in memory: keeps records per tenant and finds them by scanning. Its knobs make the outcomes that
 * a real node has only now and then.
 */
export class MemoryBackend implements Backend {
  readonly ingest: IngestBackend
  readonly uploads: UploadBackend
  readonly search: SearchBackend
  readonly tails: TailBackend = { open: async (_, client) => emptyTail(client) }
  readonly keys: KeyBackend & { readonly byHash: Map<string, KeyRecord> }
  readonly agents: AgentBackend
  readonly pipelines: PipelineBackend
  readonly alerts: AlertBackend
  readonly alertChannels: AlertChannelBackend
  readonly status: StatusBackend
  readonly cluster: ClusterBackend

  /** Where uploads go. */
  readonly registry = new SimulatedRegistry()
  readonly objects = new MemoryObjectStore()
  readonly uploadBytesMax = 16 * 1024 * 1024

  /** Bytes admitted and not released. */
  inFlightBytes = 0
  inFlightBytesMost = 0
  inFlightBytesMax = Number.POSITIVE_INFINITY
  /** Requests with copies of their bodies. */
  readonly ingested: IngestRequest[] = []
  readonly searched: SearchRequest[] = []
  notReady: string[] = []
  /** Ids of the nodes that were to drain. */
  readonly drained: string[] = []
  /** Called before each answer; may throw, or wait until the signal aborts. */
  before: (signal: AbortSignal) => Promise<void> | void = () => {}
  /** The receipt to give instead of the true one. */
  receipt: IngestReceipt | undefined

  readonly #records = new Map<TenantId, StoredRecord[]>()
  readonly #nowMs: () => number
  #nextId = 0

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
    this.ingest = {
      admit: (bytes) => this.#admit(bytes),
      release: (bytes) => {
        this.inFlightBytes -= bytes
        if (this.inFlightBytes < 0) throw new Error('more bytes were released than admitted')
      },
      ingest: (request, signal) => this.#ingest(request, signal),
    }
    this.uploads = new UploadDesk({
      ledger: new UploadLedger(this.registry.connect()),
      objects: this.objects,
      claim: { node: 'n1' as NodeId, boot: 'test', worker: 0 },
      bytesMax: this.uploadBytesMax,
      jobsMax: 5,
      clock: { ...systemClock, nowMs },
    })
    this.search = this.#searchBackend()
    this.keys = memoryKeys(nowMs)
    this.agents = memoryAgents(AgentStore.open(this.registry.connect(), { ...systemClock, nowMs }))
    this.pipelines = memoryPipelines(nowMs)
    this.alerts = memoryAlerts(this.registry.connect(), nowMs)
    this.alertChannels = memoryChannels(this.registry.connect(), nowMs)
    this.status = {
      notReadyReasons: () => this.notReady,
      lacks: () => [],
      metrics: async () => '# TYPE weir_up gauge\nweir_up 1\n',
    }
    this.cluster = {
      status: async () => CLUSTER,
      drain: async (nodeId) => {
        if (!CLUSTER.nodes.some(({ id }) => id === nodeId)) throw new WeirError('not_found', 'There is no such node')
        if (nodeId === 'n1') throw new WeirError('no_other_node', 'No other node could take over')
        this.drained.push(nodeId)
      },
    }
  }

  #admit(bytes: number): void {
    if (!Number.isInteger(bytes) || bytes <= 0) throw new Error(`${bytes} is no number of bytes to admit`)
    if (this.inFlightBytes + bytes > this.inFlightBytesMax)
      throw new WeirError('overloaded', 'too many bytes in flight')
    this.inFlightBytes += bytes
    this.inFlightBytesMost = Math.max(this.inFlightBytesMost, this.inFlightBytes)
  }

  async #ingest(request: IngestRequest, signal: AbortSignal): Promise<IngestReceipt> {
    await this.before(signal)
    this.ingested.push({ ...request, body: new Uint8Array(request.body) })
    if (this.receipt !== undefined) return this.receipt
    const errors: RecordReject[] = []
    let accepted = 0
    parseRecords(request).forEach((record, index) => {
      const refusal = request.decoded?.refusalOf(index)
      if (refusal !== undefined) {
        errors.push({ index, ...refusal })
        return
      }
      if (typeof record !== 'object' || record === null || Array.isArray(record)) {
        errors.push({ index, code: 'not_an_object', reason: 'A record is a JSON object' })
        return
      }
      this.#store(request, record as Record<string, unknown>)
      accepted++
    })
    const allRejects = { records: errors.map(({ index }) => index), codes: errors.map(({ code }) => code) }
    const receipt = { accepted, rejected: errors.length, errors, repeated: false }
    return request.namesAllRejects ? { ...receipt, allRejects } : receipt
  }

  #store(request: IngestRequest, record: Record<string, unknown>): void {
    const id = `r${++this.#nextId}`
    const level = String(record.level ?? 'INFO')
    const service = String(record.service ?? request.serviceDefault ?? 'unknown')
    const timestamp = new Date(request.receivedMs).toISOString()
    const { message, traceId, ...metadata } = record
    const json = JSON.stringify({ id, timestamp, level, service, message, traceId, metadata, ingestedAt: timestamp })
    const stored = { id, timeMs: request.receivedMs, level, service, traceId: String(traceId ?? ''), json }
    const records = this.#records.get(request.tenant) ?? []
    records.push(stored)
    this.#records.set(request.tenant, records)
  }

  /** Oldest first. */
  #matching(query: QueryBase): StoredRecord[] {
    const { range, service, level, traceId } = query
    return (this.#records.get(query.tenant) ?? []).filter(
      (record) =>
        record.timeMs >= range.fromMs &&
        record.timeMs < range.toMs &&
        (service === undefined || record.service === service) &&
        (level === undefined || record.level === level) &&
        (traceId === undefined || record.traceId === traceId) &&
        record.json.toLowerCase().includes(query.query.toLowerCase()),
    )
  }

  #find(tenant: TenantId, id: string): { readonly records: StoredRecord[]; readonly at: number } {
    const records = this.#records.get(tenant) ?? []
    const at = records.findIndex((record) => record.id === id)
    if (at < 0) throw new WeirError('not_found', 'There is no such record')
    return { records, at }
  }

  #searchBackend(): SearchBackend {
    const jsons = (records: readonly StoredRecord[]) => records.map((record) => record.json)
    return {
      search: async (request, signal): Promise<RowsAnswer | TableAnswer> => {
        this.searched.push(request)
        await this.before(signal)
        if (request.query.includes('| stats')) {
          const base = { ...request, query: '' }
          return { kind: 'table', columns: ['count'], rows: [{ count: this.#matching(base).length }], ...ANSWERED }
        }
        const found = this.#matching(request)
        if (request.order === 'desc') found.reverse()
        const start = request.cursor === undefined ? (request.page - 1) * request.limit : cursorStart(request.cursor)
        const end = start + request.limit
        return {
          kind: 'rows',
          logs: jsons(found.slice(start, end)),
          total: request.total === 'none' ? null : found.length,
          totalRelation: 'eq',
          nextCursor: end < found.length ? `c${end}` : null,
          ...ANSWERED,
        }
      },
      histogram: async (request, signal) => {
        await this.before(signal)
        const found = this.#matching(request)
        const by: Record<string, number> = {}
        for (const { level } of found) by[level] = (by[level] ?? 0) + 1
        const intervalMs = request.intervalMs ?? 60_000
        const startMs = Math.floor(this.#nowMs() / intervalMs) * intervalMs
        return { intervalMs, buckets: [{ startMs, count: found.length, by }], total: found.length, ...ANSWERED }
      },
      aggregate: async (request, signal) => {
        await this.before(signal)
        const counts = new Map<string, number>()
        for (const { service } of this.#matching(request)) counts.set(service, (counts.get(service) ?? 0) + 1)
        const rows = [...counts].map(([service, count]) => ({ service, [request.metric]: count }))
        return { kind: 'table', columns: [...request.groupBy, request.metric], rows, ...ANSWERED }
      },
      tail: async (request, signal) => {
        await this.before(signal)
        const found = this.#matching(request)
        const start =
          request.cursor === undefined ? Math.max(0, found.length - request.limit) : cursorStart(request.cursor)
        const logs = jsons(found.slice(start, start + request.limit))
        return { logs, cursor: `c${start + logs.length}`, coverage: COVERAGE }
      },
      record: async (tenant, id, signal) => {
        await this.before(signal)
        const { records, at } = this.#find(tenant, id)
        return records[at]!.json
      },
      context: async (request) => {
        const { records, at } = this.#find(request.tenant, request.id)
        return {
          before: jsons(records.slice(Math.max(0, at - request.before), at)),
          record: records[at]!.json,
          after: jsons(records.slice(at + 1, at + 1 + request.after)),
          coverage: COVERAGE,
        }
      },
      trace: async (request, traceId, limit) => {
        const found = this.#matching({ ...request, traceId })
        if (found.length === 0) throw new WeirError('not_found', 'There is no such trace')
        const at = new Date(found[0]!.timeMs).toISOString()
        const services = [{ service: found[0]!.service, count: found.length, firstAt: at, lastAt: at, errors: 0 }]
        const logs = jsons(found.slice(0, limit))
        return { traceId, startedAt: at, durationMs: 0, services, logs, coverage: COVERAGE }
      },
      patterns: async (request, limit) => {
        const found = this.#matching(request).slice(0, limit)
        const at = new Date(this.#nowMs()).toISOString()
        const patterns = found.map(({ json, level }) => {
          return {
            pattern: 'Order <*> created',
            count: 1,
            levels: { [level]: 1 },
            firstAt: at,
            lastAt: at,
            sample: json,
          }
        })
        return { patterns, ...ANSWERED }
      },
      fields: async () => ({ fields: [{ name: 'service', type: 'string', count: 2, cardinality: 1 }], ...ANSWERED }),
      fieldValues: async (_request, field, limit) => ({
        values: [{ value: `${field}-value`, count: 2 }].slice(0, limit),
        other: 0,
        ...ANSWERED,
      }),
      explain: async (request) => ({ query: request.query, shards: [], totals: { rows: 0 }, coverage: COVERAGE }),
      deadLetters: async ({ tenant }) => {
        const receivedAt = new Date(this.#nowMs()).toISOString()
        const letter = { id: 'd1', receivedAt, protocol: 'http', tenant, code: 'not_an_object', reason: 'no' }
        const deadLetters = [{ ...letter, raw: '"\u2028"', encoding: 'utf8' as const }]
        return { deadLetters, nextCursor: null, coverage: COVERAGE }
      },
    }
  }
}

function parseRecords({ format, body }: IngestRequest): readonly unknown[] {
  const text = new TextDecoder().decode(body)
  if (format === 'ndjson')
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(parseOrNull)
  const value = parseOrNull(text) as { logs?: unknown } | readonly unknown[] | null
  if (Array.isArray(value)) return value
  const logs = (value as { logs?: unknown } | null)?.logs
  return Array.isArray(logs) ? logs : [value]
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function cursorStart(cursor: string): number {
  if (!/^c\d+$/.test(cursor))
    throw new WeirError('invalid_parameter', 'The cursor is not one of ours', { parameter: 'cursor' })
  return Number(cursor.slice(1))
}

function memoryPipelines(nowMs: () => number): PipelineBackend {
  const opening = PipelineStore.open({
    registry: new SimulatedRegistry().connect(),
    clock: new SimulatedClock(nowMs()),
    logger: loggerTo(() => undefined),
    node: { id: 'n1', region: undefined },
  })
  return {
    list: async (...of) => (await opening).list(...of),
    get: async (...of) => (await opening).get(...of),
    versions: async (...of) => (await opening).versions(...of),
    put: async (...of) => (await opening).put(...of),
    remove: async (...of) => (await opening).remove(...of),
    dryRun: async (...of) => (await opening).dryRun(...of),
  }
}

async function noBacktest(): Promise<BacktestAnswer> {
  return { firings: [], firingsLeftOut: false, coverage: COVERAGE, tookMs: 0 }
}

function memoryAlerts(registry: Registry, nowMs: () => number): AlertBackend {
  const clock = { ...systemClock, nowMs }
  const options = { registry, clock, logger: loggerTo(() => undefined) }
  const opening = Promise.all([openAlertRules(options), openAlertSilences(options)]).then(
    ([rules, silences]) =>
      new AlertDesk({ rules, silences, registry, clock, keeperOf: () => undefined, backtest: noBacktest }),
  )
  const store = <T>(of: (desk: AlertDesk) => AlertStore<T>): AlertStore<T> => ({
    list: async (...args) => of(await opening).list(...args),
    get: async (...args) => of(await opening).get(...args),
    put: async (...args) => of(await opening).put(...args),
    remove: async (...args) => of(await opening).remove(...args),
  })
  return {
    rules: store((desk) => desk.rules),
    silences: store((desk) => desk.silences),
    isInForce: (silence) => isInForce(silence, nowMs()),
    backtest: async (...args) => (await opening).backtest(...args),
    status: async (...args) => (await opening).status(...args),
    events: async (...args) => (await opening).events(...args),
    event: async (...args) => (await opening).event(...args),
    acknowledge: async (...args) => (await opening).acknowledge(...args),
  }
}

function memoryAgents(store: Promise<AgentStore>): AgentBackend {
  return {
    register: async (...args) => (await store).register(...args),
    heartbeat: async (...args) => (await store).heartbeat(...args),
    expiryOf: () => undefined,
    config: async (...args) => (await store).config(...args),
    putConfig: async (...args) => (await store).putConfig(...args),
    list: async (...args) => (await store).list(...args),
    revoke: async (...args) => (await store).revoke(...args),
  }
}

function memoryKeys(nowMs: () => number): KeyBackend & { readonly byHash: Map<string, KeyRecord> } {
  const byHash = new Map<string, KeyRecord>()
  let nextId = 0
  return {
    byHash,
    find: (hash) => byHash.get(hash),
    findToken: () => undefined,
    create: async (record, hash) => {
      const key = { ...record, id: `k${++nextId}`, createdMs: nowMs() }
      byHash.set(hash, key)
      return key
    },
    list: async () => [...byHash.values()],
    revoke: async (id) => {
      const entry = [...byHash].find(([, key]) => key.id === id)
      if (entry === undefined) throw new WeirError('not_found', 'There is no such key')
      byHash.delete(entry[0])
    },
  }
}
