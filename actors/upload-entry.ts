import { WeirError } from '../base/errors.ts'
import type { NodeId, TenantId } from '../base/ids.ts'
import type { JobState, JobStatus, UploadedFile, UploadOptions, UploadProgress } from './messages/upload.ts'

/** Who takes an upload in, or ingests it. */
export interface UploadClaim {
  readonly node: NodeId
  readonly boot: string
  readonly worker: number
}

/** A page of listed rejects: an object of the object store. */
export interface RejectPage {
  readonly key: string
  readonly count: number
}

/** A job as the registry keeps it, under `upload/<tenant>/<id>`. */
export interface UploadEntry extends Omit<JobStatus, 'bytesTotal' | 'etaSeconds'> {
  readonly options: UploadOptions
  /** X1: what its parts are sealed with, base64; null when it has ended. */
  readonly key: string | null
  readonly claim: UploadClaim | null
  /** Rises with every claim. */
  readonly epoch: number
  readonly bytesPerSecond: number
  readonly rejectPages: readonly RejectPage[]
  /** Parts may lie in the object store. */
  readonly hasParts: boolean
}

export const UPLOAD_KEYS = 'upload/'
const FORMAT = 1

export function uploadEntryKey(tenant: TenantId, id: string): string {
  return `${UPLOAD_KEYS}${tenant}/${id}`
}

export function encodeUploadEntry(entry: UploadEntry): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ formatVersion: FORMAT, ...entry }))
}

/** Throws corrupt_data for what is no such entry. */
export function decodeUploadEntry(value: Uint8Array): UploadEntry {
  let found: (Partial<UploadEntry> & { readonly formatVersion?: unknown }) | null
  try {
    found = JSON.parse(new TextDecoder().decode(value)) as typeof found
  } catch (error) {
    throw new WeirError('corrupt_data', 'the entry of an upload is not JSON', {}, { cause: error })
  }
  const { formatVersion, ...entry } = found ?? {}
  if (formatVersion !== FORMAT || typeof entry.id !== 'string' || !Array.isArray(entry.files)) {
    throw new WeirError('corrupt_data', 'the entry of an upload cannot be read')
  }
  return entry as UploadEntry
}

export const NO_PROGRESS: UploadProgress = {
  file: 0,
  offset: 0,
  pieces: 0,
  fileRecords: 0,
  bytes: 0,
  records: 0,
  accepted: 0,
  rejected: 0,
}

export function newUploadEntry(about: {
  readonly tenant: TenantId
  readonly id: string
  readonly key: Uint8Array
  readonly createdMs: number
  readonly claim: UploadClaim
}): UploadEntry {
  return {
    id: about.id,
    tenant: about.tenant,
    state: 'uploading',
    createdMs: about.createdMs,
    startedMs: null,
    endedMs: null,
    options: {},
    key: Buffer.from(about.key).toString('base64'),
    files: [],
    claim: about.claim,
    epoch: 1,
    progress: NO_PROGRESS,
    recordsPerSecond: 0,
    bytesPerSecond: 0,
    firstRejects: [],
    rejectPages: [],
    failure: null,
    hasParts: true,
  }
}

export function hasEnded(state: JobState): state is 'done' | 'failed' | 'cancelled' {
  return state === 'done' || state === 'failed' || state === 'cancelled'
}

/** What is told of the job. */
export function statusOf(entry: UploadEntry): JobStatus {
  const { id, tenant, state, createdMs, startedMs, endedMs, files, progress, firstRejects, failure } = entry
  const { recordsPerSecond, bytesPerSecond } = entry
  const bytesTotal = totalBytes(files)
  const isMoving = state === 'running' && bytesPerSecond > 0
  return {
    id,
    tenant,
    state,
    createdMs,
    startedMs,
    endedMs,
    files,
    bytesTotal: state === 'uploading' ? progress.bytes : bytesTotal,
    progress,
    recordsPerSecond: Math.round(recordsPerSecond),
    etaSeconds: isMoving ? Math.ceil((bytesTotal - progress.bytes) / bytesPerSecond) : null,
    firstRejects,
    failure,
  }
}

function totalBytes(files: readonly UploadedFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}
