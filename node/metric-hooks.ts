import type { IngestReceipt, IngestRequest } from '../actors/messages/ingest.ts'
import type { QueryStats } from '../actors/messages/search.ts'
import type { PipelineCounts } from '../actors/pipelined-request.ts'
import { asWeirError } from '../base/errors.ts'
import type { LaneId } from '../base/ids.ts'
import type { Metrics } from '../base/metrics.ts'
import type { LaneState } from '../cluster/journal.ts'
import type { CutReport } from '../storage/cut-head.ts'
import type { S3Attempt } from '../storage/object-store/s3-requests.ts'

/** Ties what the parts of a worker report to the metrics of its thread; the parts know nothing of metric names. */
export function metricHooks(metrics: Metrics) {
  const frames = metrics.counter('journalFrames')
  const sections = metrics.counter('journalSections')
  const frameBytes = metrics.histogram('journalFrameBytes')
  const appendSeconds = metrics.histogram('journalAppendSeconds')
  const rowsApplied = metrics.counter('storageRowsApplied')
  const repeated = metrics.counter('ingestRecordsRepeated')
  const blockBytes = metrics.counter('storageBlockBytes')
  const blocksCut = metrics.counter('storageBlocksCut')
  const blockRows = metrics.histogram('storageBlockRows')
  const cutSeconds = metrics.histogram('storageCutSeconds')
  const segmentsPublished = metrics.counter('storageSegmentsPublished')
  const segmentBytes = metrics.counter('storageSegmentBytes')
  const segmentsMerged = metrics.counter('storageSegmentsMerged')
  const headBytes = metrics.gauge('storageHeadBytes')
  const receiptSeconds = metrics.histogram('ingestReceiptSeconds')
  const rowsScanned = metrics.counter('searchRowsScanned')
  const bytesRead = metrics.counter('searchBytesRead')
  const blocksOpened = metrics.counter('searchBlocks', { fate: 'opened' })
  const cachedBlockBytes = metrics.gauge('cacheBytes', { cache: 'blocks' })
  const cachedResultBytes = metrics.gauge('cacheBytes', { cache: 'results' })
  const segmentIndexBytes = metrics.gauge('cacheBytes', { cache: 'segments' })
  const blockHits = metrics.counter('cacheHits', { cache: 'blocks' })
  const resultHits = metrics.counter('cacheHits', { cache: 'results' })
  const resultMisses = metrics.counter('cacheMisses', { cache: 'results' })
  const blockMisses = metrics.counter('cacheMisses', { cache: 'blocks' })
  const objectHits = metrics.counter('cacheHits', { cache: 'objects' })
  const objectMisses = metrics.counter('cacheMisses', { cache: 'objects' })
  const blocksSkipped = metrics.counter('searchBlocks', { fate: 'skipped' })

  const servicesSpread = metrics.gauge('servicesSpread')

  return {
    spread(services: number) {
      servicesSpread.set(services)
    },
    frame(frame: { readonly bytes: number; readonly sections: number; readonly tookMs: number }) {
      frames.add(1)
      sections.add(frame.sections)
      frameBytes.observe(frame.bytes)
      appendSeconds.observe(frame.tookMs / 1000)
    },
    appendFailed(error: unknown) {
      metrics.counter('journalAppendFailures', { code: asWeirError(error).code }).add(1)
    },
    refused(error: unknown) {
      metrics.counter('ingestRequestsRefused', { code: asWeirError(error).code }).add(1)
    },
    lane(lane: LaneId, state: LaneState, through: number, behindMs: number) {
      const labels = { lane: String(lane) }
      metrics.gauge('journalBytes', labels).set(state.bytes)
      metrics.gauge('journalBytesMax', labels).set(state.bytesMax)
      metrics.gauge('journalLagFrames', labels).set(Math.max(0, state.lastSequence - through))
      metrics.gauge('journalLagSeconds', labels).set(behindMs / 1000)
    },
    applied(applied: { readonly rows: number; readonly repeatedRows: number }) {
      rowsApplied.add(applied.rows)
      repeated.add(applied.repeatedRows)
    },
    cut(cut: CutReport) {
      blockBytes.add(cut.bytes)
      blocksCut.add(cut.blocks)
      blockRows.observe(cut.rows / cut.blocks)
      cutSeconds.observe(cut.tookMs / 1000)
    },
    published(published: { readonly segments: number; readonly bytes: number }) {
      segmentsPublished.add(published.segments)
      segmentBytes.add(published.bytes)
    },
    dropped(days: number) {
      metrics.counter('storageDaysDropped').add(days)
    },
    merged(merged: { readonly inputs: number }) {
      segmentsMerged.add(merged.inputs)
    },
    publishFailed(code: string) {
      metrics.counter('storagePublishFailures', { code }).add(1)
    },
    objectAttempt({ operation, outcome, tookMs }: S3Attempt) {
      metrics.counter('objectStoreAttempts', { operation, outcome }).add(1)
      metrics.histogram('objectStoreSeconds', { operation }).observe(tookMs / 1000)
    },
    objectLookup(isHit: boolean) {
      ;(isHit ? objectHits : objectMisses).add(1)
    },
    objectCacheFailed(code: string) {
      metrics.counter('cacheFailures', { cache: 'objects', code }).add(1)
    },
    blockLookup(isHit: boolean) {
      ;(isHit ? blockHits : blockMisses).add(1)
    },
    resultLookup(isHit: boolean) {
      ;(isHit ? resultHits : resultMisses).add(1)
    },
    onObjectCache(bytes: () => number) {
      const gauge = metrics.gauge('cacheBytes', { cache: 'objects' })
      metrics.onSnapshot(() => gauge.set(bytes()))
    },
    storage(bytesOfHeads: number, bytesOfBlocks: number, bytesOfSegments: number, bytesOfResults: number) {
      headBytes.set(bytesOfHeads)
      cachedBlockBytes.set(bytesOfBlocks)
      segmentIndexBytes.set(bytesOfSegments)
      cachedResultBytes.set(bytesOfResults)
    },
    pipelined(counts: PipelineCounts) {
      for (const [outcome, records] of Object.entries(counts)) {
        if (records > 0) metrics.counter('pipelineRecords', { outcome }).add(records)
      }
    },
    received(request: IngestRequest, receipt: IngestReceipt, tookMs: number) {
      const { protocol } = request
      const stored = receipt.repeated ? 0 : receipt.accepted - (receipt.dropped ?? 0)
      metrics.counter('ingestRecordsAccepted', { protocol }).add(stored)
      metrics.counter('ingestBytes', { protocol }).add((request.decoded?.source ?? request.body).length)
      for (const { code } of receipt.errors) metrics.counter('ingestRecordsRejected', { protocol, code }).add(1)
      receiptSeconds.observe(tookMs / 1000)
    },
    answered(kind: string, outcome: string, tookMs: number, stats: QueryStats | undefined) {
      metrics.counter('searchQueries', { kind, outcome }).add(1)
      metrics.histogram('searchSeconds', { kind }).observe(tookMs / 1000)
      if (stats === undefined) return
      rowsScanned.add(stats.rowsScanned)
      bytesRead.add(stats.bytesRead)
      blocksOpened.add(stats.blocks - stats.blocksSkipped)
      blocksSkipped.add(stats.blocksSkipped)
    },
  }
}
