import type { TenantId } from '../../base/ids.ts'
import type { RejectCode } from '../../ingest/reject.ts'
import type { UploadFormat } from '../../ingest/upload/upload-format.ts'

/** What is said of an upload beside its files; see IngestRequest. */
export interface UploadOptions {
  /** Of every file; absent: told by each file itself. */
  readonly format?: UploadFormat
  readonly timeField?: string
  readonly messageField?: string
  readonly serviceDefault?: string
  readonly hostDefault?: string
}

/** `uploading`: its bytes come in. `waiting`: they are durable. `running`: a worker ingests them. The others are ends. */
export type JobState = 'uploading' | 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'

export interface UploadedFile {
  /** As the sender called it, for people; '' when it has no name. */
  readonly name: string
  /** Content-Type, '' when none was said. */
  readonly type: string
  /** As sent. */
  readonly bytes: number
  /** Number of its first part in the job; all parts but the last are full. */
  readonly firstPart: number
}

/** A record of an upload that was refused. */
export interface UploadReject {
  /** Number of the file in the upload, from 0. */
  readonly file: number
  /** Number of the record in the file, from 0. */
  readonly index: number
  readonly code: RejectCode
  readonly reason: string
}

/** How far a job is; all of it belongs to one moment. */
export interface UploadProgress {
  /** File that comes next, or is being ingested. */
  readonly file: number
  /** Of that file: bytes, inflated, that are ingested; pieces; records. */
  readonly offset: number
  readonly pieces: number
  readonly fileRecords: number
  /** Of all files, as sent, that have been read. */
  readonly bytes: number
  readonly records: number
  readonly accepted: number
  readonly rejected: number
}

export interface JobFailure {
  readonly code: string
  readonly reason: string
}

/** What is told of a job. */
export interface JobStatus {
  readonly id: string
  readonly tenant: TenantId
  readonly state: JobState
  readonly createdMs: number
  readonly startedMs: number | null
  readonly endedMs: number | null
  readonly files: readonly UploadedFile[]
  readonly bytesTotal: number
  readonly progress: UploadProgress
  readonly recordsPerSecond: number
  readonly etaSeconds: number | null
  readonly firstRejects: readonly UploadReject[]
  readonly failure: JobFailure | null
}

export interface RejectsRequest {
  readonly offset: number
  readonly limit: number
}

/** Some of the rejects of a job. */
export interface RejectsAnswer {
  readonly rejects: readonly UploadReject[]
  /** All of them, listed or not. */
  readonly rejected: number
  /** Those that are listed one by one. */
  readonly listed: number
}
