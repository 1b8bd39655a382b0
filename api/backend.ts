import type {
  AlertEvent,
  AlertEventQuery,
  AlertEvents,
  AlertRuleStatus,
  AlertSilence,
  BacktestAnswer,
} from '../actors/messages/alert.ts'
import type { ClusterStatus } from '../actors/messages/cluster.ts'
import type { IngestReceipt, IngestRequest } from '../actors/messages/ingest.ts'
import type {
  AggregateRequest,
  ContextAnswer,
  ContextRequest,
  DeadLettersAnswer,
  DeadLettersRequest,
  ExplainAnswer,
  FieldsAnswer,
  FieldValuesAnswer,
  HistogramAnswer,
  HistogramRequest,
  PatternsAnswer,
  QueryBase,
  RecordJson,
  SearchAnswer,
  SearchRequest,
  TableAnswer,
  TailAnswer,
  TailRequest,
  TimeRange,
  TraceAnswer,
} from '../actors/messages/search.ts'
import type { LiveTail, TailClient } from '../actors/messages/tail.ts'
import type { JobStatus, RejectsAnswer, RejectsRequest, UploadOptions } from '../actors/messages/upload.ts'
import type { AttemptResult } from '../alerts/notify/attempt-result.ts'
import type { Delivery, DeliveryStatus } from '../alerts/notify/delivery.ts'
import type { TenantId } from '../base/ids.ts'
import type { PipelineDefinition } from '../ingest/pipeline/compile.ts'
import type { DryRecord } from '../ingest/pipeline/dry-run.ts'
import type { AgentHeartbeatBody, AgentRemoteConfig } from './contract/agents.ts'

/**
 * What the HTTP layer asks of the node behind it. Each call takes a signal that fires when the client goes away;
 * failures are WeirErrors.
 */
export interface Backend {
  readonly ingest: IngestBackend
  readonly uploads: UploadBackend
  readonly search: SearchBackend
  readonly tails: TailBackend
  readonly keys: KeyBackend
  readonly agents: AgentBackend
  readonly pipelines: PipelineBackend
  readonly alerts: AlertBackend
  readonly alertChannels: AlertChannelBackend
  readonly status: StatusBackend
  readonly cluster: ClusterBackend
}

export interface IngestBackend {
  /**
   * Takes `bytes` out of the budget of bytes in flight before a body is read; throws overloaded or draining. The caller
   * releases exactly what it admitted, whatever happens.
   */
  admit(bytes: number): void
  release(bytes: number): void
  /**
   * Resolves once every accepted record is durable. From then on the bytes of `request.body` are used for the next body, so nothing may
   * keep a view of them; when it rejects they are left alone.
   */
  ingest(request: IngestRequest, signal: AbortSignal): Promise<IngestReceipt>
}

export interface UploadBackend {
  /** Throws too_many_uploads. */
  begin(tenant: TenantId): Promise<UploadSink>
  /** Jobs of the tenant, newest first. */
  list(tenant: TenantId): Promise<readonly JobStatus[]>
  /** Throws not_found. */
  status(tenant: TenantId, id: string): Promise<JobStatus>
  /** Throws not_found. */
  rejects(tenant: TenantId, id: string, request: RejectsRequest): Promise<RejectsAnswer>
  /** Throws not_found. */
  cancel(tenant: TenantId, id: string): Promise<JobStatus>
}

/** An upload that comes in. Either `finish` resolves or `abort` is to be called. */
export interface UploadSink {
  beginFile(name: string, type: string): void
  /** Resolves when more may come; the bytes are free then. Throws body_too_large. */
  write(bytes: Buffer): Promise<void>
  /** Resolves once all of it is durable. Throws invalid_body when there is nothing in it. */
  finish(options: UploadOptions): Promise<JobStatus>
  abort(): Promise<void>
}

export interface SearchBackend {
  search(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer>
  histogram(request: HistogramRequest, signal: AbortSignal): Promise<HistogramAnswer>
  aggregate(request: AggregateRequest, signal: AbortSignal): Promise<TableAnswer>
  tail(request: TailRequest, signal: AbortSignal): Promise<TailAnswer>
  /** Throws not_found. */
  record(tenant: TenantId, id: string, signal: AbortSignal): Promise<RecordJson>
  context(request: ContextRequest, signal: AbortSignal): Promise<ContextAnswer>
  trace(request: QueryBase, traceId: string, limit: number, signal: AbortSignal): Promise<TraceAnswer>
  patterns(request: QueryBase, limit: number, signal: AbortSignal): Promise<PatternsAnswer>
  fields(request: QueryBase, signal: AbortSignal): Promise<FieldsAnswer>
  fieldValues(request: QueryBase, field: string, limit: number, signal: AbortSignal): Promise<FieldValuesAnswer>
  explain(request: SearchRequest, signal: AbortSignal): Promise<ExplainAnswer>
  deadLetters(request: DeadLettersRequest, signal: AbortSignal): Promise<DeadLettersAnswer>
}

export interface TailBackend {
  /** A tail of what the client subscribes to, nothing yet. It is to be closed. Throws too_many_tails. */
  open(tenant: TenantId, client: TailClient): Promise<LiveTail>
}

/** `enrol` registers agents; `agent` is what an agent's token has beside `ingest`. */
export type Role = 'ingest' | 'read' | 'alert' | 'admin' | 'enrol' | 'agent'

export interface KeyRecord {
  readonly id: string
  readonly name: string
  /** `*` for a key that administers the cluster and may name any tenant. */
  readonly tenant: TenantId | '*'
  readonly roles: readonly Role[]
  readonly createdMs: number
}

export interface KeyBackend {
  /** The record of the key whose SHA-256 (hex) is `hash`; answered from memory. */
  find(hash: string): KeyRecord | undefined
  /** The credential that an agent's token is, undefined where it is not good; answered from memory. */
  findToken(token: string): KeyRecord | undefined
  create(record: Omit<KeyRecord, 'id' | 'createdMs'>, hash: string): Promise<KeyRecord>
  list(): Promise<readonly KeyRecord[]>
  /** Throws not_found. */
  revoke(id: string): Promise<void>
}

export interface AgentRegistration {
  readonly organizationName: string
  readonly environment?: string
  readonly agentVersion?: string
  readonly host?: string
}

export interface AgentToken {
  readonly clientId: string
  readonly token: string
  readonly tokenTtlMs: number
}

/** What an agent says of itself; see the contract. */
export type AgentHeartbeat = AgentHeartbeatBody

export interface AgentConfigDocument {
  /** From 1; each change has the next. 0: none was set. */
  readonly version: number
  readonly config: AgentRemoteConfig
}

export interface AgentInfo extends AgentRegistration {
  readonly id: string
  readonly tenant: TenantId
  readonly registeredMs: number
  /** Its last one. */
  readonly heartbeat: (AgentHeartbeat & { readonly seenMs: number }) | undefined
}

/** Agents of tenants. An agent of another tenant is as none at all: not_found. */
export interface AgentBackend {
  /** A token for a new agent, or for one that comes back. Throws forbidden when that was revoked, conflict where there are too many. */
  register(tenant: TenantId, registration: AgentRegistration, clientId?: string): Promise<AgentToken>
  /** Keeps what it says. Where its token expires soon, the answer has another. */
  heartbeat(
    tenant: TenantId,
    id: string,
    heartbeat: AgentHeartbeat,
    expiresMs?: number,
  ): Promise<{ readonly configVersion: number } | ({ readonly configVersion: number } & AgentToken)>
  /** When a token expires, ms since the epoch; undefined where it is none. */
  expiryOf(token: string): number | undefined
  config(tenant: TenantId, id: string): Promise<AgentConfigDocument>
  /** Throws conflict where the version is not the expected one. */
  putConfig(tenant: TenantId, id: string, config: AgentRemoteConfig, expected?: number): Promise<AgentConfigDocument>
  list(tenant: TenantId | '*'): Promise<readonly AgentInfo[]>
  revoke(tenant: TenantId | '*', id: string): Promise<void>
}

export interface StoredPipeline {
  readonly id: string
  /** From 1; each change has the next. */
  readonly version: number
  readonly updatedMs: number
  /** Its author may name other tenants. */
  readonly mayNameTenants: boolean
  readonly definition: PipelineDefinition
}

export interface PipelineAuthor {
  readonly mayNameTenants: boolean
  /** The version that is to be changed, 0: none; absent: whatever it is. */
  readonly expectedVersion?: number
}

/** Pipelines of tenants; what is changed is in force on this thread at once, on all others within a second. */
export interface PipelineBackend {
  list(tenant: TenantId): Promise<readonly StoredPipeline[]>
  /** Throws not_found. */
  get(tenant: TenantId, id: string): Promise<StoredPipeline>
  /** The newest first. Throws not_found. */
  versions(tenant: TenantId, id: string): Promise<readonly StoredPipeline[]>
  /** Throws invalid_parameter with the path of what is wrong, forbidden, conflict. */
  put(tenant: TenantId, id: string, definition: unknown, author: PipelineAuthor): Promise<StoredPipeline>
  /** Throws not_found, conflict. */
  remove(tenant: TenantId, id: string, expectedVersion: number | undefined): Promise<void>
  /** `records` are JSON objects as text. Of neither an id nor a definition: all pipelines of the tenant. Throws as `put` and `get`. */
  dryRun(
    tenant: TenantId,
    what: { readonly id?: string; readonly definition?: unknown },
    records: readonly string[],
    author: PipelineAuthor,
    signal: AbortSignal,
  ): Promise<readonly DryRecord[]>
}

/** A definition of a tenant as it is stored. */
export interface AlertStored<T> {
  readonly id: string
  /** From 1; each change has the next. */
  readonly revision: number
  readonly createdMs: number
  readonly updatedMs: number
  readonly value: T
}

/** Definitions of one kind. One of another tenant is as none at all: not_found. */
export interface AlertStore<T> {
  /** By id. */
  list(tenant: TenantId): Promise<readonly AlertStored<T>[]>
  /** Throws not_found. */
  get(tenant: TenantId, id: string): Promise<AlertStored<T>>
  /** `expected`: the revision that is to be changed, 0: none; absent: whatever it is. Throws invalid_parameter with the path of what is wrong, conflict. */
  put(tenant: TenantId, id: string, value: T, expected?: number): Promise<AlertStored<T>>
  /** Throws not_found, conflict. */
  remove(tenant: TenantId, id: string, expected?: number): Promise<void>
}

/** Rules of tenants, what has fired, and what nobody is to be notified of. */
export interface AlertBackend {
  readonly rules: AlertStore<Readonly<Record<string, unknown>>>
  readonly silences: AlertStore<AlertSilence>
  isInForce(silence: AlertSilence): boolean
  /**
   * When the rule, or what the definition says, would have fired in the range, by what is stored. Throws invalid_parameter with the path of what is wrong,
   * not_found, result_too_large.
   */
  backtest(
    tenant: TenantId,
    what: { readonly rule?: string; readonly definition?: Readonly<Record<string, unknown>> },
    range: TimeRange,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<BacktestAnswer>
  /** Throws not_found, and shard_unavailable when the node that decides the rule does not answer. */
  status(tenant: TenantId, rule: string, signal: AbortSignal): Promise<AlertRuleStatus>
  events(tenant: TenantId, query: AlertEventQuery): Promise<AlertEvents>
  /** Throws not_found. */
  event(tenant: TenantId, id: string): Promise<AlertEvent>
  /** Throws not_found. */
  acknowledge(tenant: TenantId, id: string, by: string, comment?: string): Promise<AlertEvent>
}

export interface DeliveryQuery {
  readonly firingId?: string
  readonly channel?: string
  readonly status?: DeliveryStatus
  readonly limit: number
}

/** Where notifications of alerts go. Secrets of a channel never come out again: values are as people may see them. */
export interface AlertChannelBackend extends AlertStore<Readonly<Record<string, unknown>>> {
  /** Sends a test message, once, now. Throws not_found, overloaded. */
  test(tenant: TenantId, id: string, signal: AbortSignal): Promise<AttemptResult>
  /** What became of notifications, newest first. */
  deliveries(tenant: TenantId, query: DeliveryQuery): Promise<readonly Delivery[]>
}

export interface StatusBackend {
  /** Empty when the node is ready; otherwise why it is not. */
  notReadyReasons(): readonly string[]
  /** What is missing of a node that takes requests all the same. */
  lacks(): readonly string[]
  /** Text in the Prometheus exposition format, of every thread of the node. */
  metrics(): Promise<string>
}

export interface ClusterBackend {
  status(signal: AbortSignal): Promise<ClusterStatus>
  /**
   * Has the node give its shards to others and end; resolves when it has begun to. Throws not_found, no_other_node, and shard_unavailable or
   * deadline_exceeded when the node does not answer.
   */
  drain(nodeId: string, signal: AbortSignal): Promise<void>
}
