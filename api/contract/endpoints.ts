import { agentHeartbeat, getAgentConfig, listAgents, putAgentConfig, registerAgent, revokeAgent } from './agents.ts'
import { backtestAlertRule, backtestAlerts } from './alert-backtests.ts'
import { ALERT_CHANNEL_ENDPOINTS } from './alert-channels.ts'
import { ALERT_ENDPOINTS } from './alerts.ts'
import { aggregateLogs, histogramLogs, listFields, listFieldValues, patternsOfLogs } from './analytics.ts'
import { drainNode, getCluster } from './cluster.ts'
import { datadogInput, datadogLogs, datadogValidate } from './datadog.ts'
import { listDeadLetters, replayDeadLetters } from './dead-letters.ts'
import { elasticBulk, elasticBulkByPut, elasticBulkOfIndex, elasticBulkOfIndexByPut } from './elastic.ts'
import { ELASTIC_HANDSHAKE } from './elastic-handshake.ts'
import type { Endpoint } from './endpoint.ts'
import { hecAck, hecCollector, hecEvent, hecHealth, hecRaw } from './hec.ts'
import { ingestLogs } from './ingest.ts'
import { journaldUpload } from './journald.ts'
import { createKey, listKeys, revokeKey } from './keys.ts'
import { lokiPush } from './loki.ts'
import { getDocs, getErrorDocs, getHealth, getLanding, getMetrics, getOpenApi, getReadiness } from './operations.ts'
import { otlpLogs, otlpLogsOfBase } from './otlp.ts'
import {
  deletePipeline,
  dryRunPipeline,
  getPipeline,
  listPipelines,
  listPipelineVersions,
  putPipeline,
} from './pipelines.ts'
import { getRecord, getRecordContext, getTrace } from './records.ts'
import { explainSearch, searchLogs, searchLogsByPost, tailLogs } from './search.ts'
import { createSession, deleteSession, getSession } from './session.ts'
import { cancelJob, getJob, listJobRejects, listJobs, uploadLogs } from './uploads.ts'

/** Every endpoint of a node, in the order in which the documents show them. */
export const ENDPOINTS: readonly Endpoint[] = [
  ingestLogs,
  uploadLogs,
  listJobs,
  getJob,
  listJobRejects,
  cancelJob,
  elasticBulk,
  elasticBulkByPut,
  elasticBulkOfIndex,
  elasticBulkOfIndexByPut,
  hecEvent,
  hecCollector,
  hecRaw,
  hecAck,
  hecHealth,
  datadogLogs,
  datadogInput,
  datadogValidate,
  lokiPush,
  otlpLogs,
  otlpLogsOfBase,
  journaldUpload,
  searchLogs,
  searchLogsByPost,
  tailLogs,
  getRecord,
  getRecordContext,
  getTrace,
  explainSearch,
  histogramLogs,
  aggregateLogs,
  patternsOfLogs,
  listFields,
  listFieldValues,
  listDeadLetters,
  replayDeadLetters,
  listPipelines,
  getPipeline,
  putPipeline,
  deletePipeline,
  listPipelineVersions,
  dryRunPipeline,
  ...ALERT_ENDPOINTS,
  ...ALERT_CHANNEL_ENDPOINTS,
  backtestAlertRule,
  backtestAlerts,
  registerAgent,
  listAgents,
  getAgentConfig,
  putAgentConfig,
  agentHeartbeat,
  revokeAgent,
  createKey,
  listKeys,
  revokeKey,
  getCluster,
  drainNode,
  getSession,
  createSession,
  deleteSession,
  getHealth,
  getReadiness,
  getMetrics,
  getOpenApi,
  getDocs,
  getErrorDocs,
  getLanding,
  ...ELASTIC_HANDSHAKE,
]
