import type { SettingSpec } from './config.ts'

const KIB = 1024
const GIB = 1024 * 1024 * KIB

/** Settings of upload jobs; a part of SETTINGS. */
export const UPLOAD_SETTINGS = {
  'uploads.bytesMax': {
    kind: 'bytes',
    default: 64 * GIB,
    min: KIB,
    max: 1024 * GIB,
    unit: 'bytes',
    description: 'Largest upload, all its files as they are sent; larger ones get 413.',
  },
  'uploads.inflatedBytesMax': {
    kind: 'bytes',
    default: 1024 * GIB,
    min: KIB,
    max: 64 * 1024 * GIB,
    unit: 'bytes',
    description: 'Largest file of an upload after decompression; the job of a larger one fails when it comes so far.',
  },
  'uploads.jobsMax': {
    kind: 'integer',
    default: 100,
    min: 1,
    max: 10_000,
    unit: 'jobs a tenant',
    description: 'Uploads of one tenant that are under way or not yet ingested; further ones get 429.',
  },
  'uploads.keptDays': {
    kind: 'integer',
    default: 7,
    min: 1,
    max: 365,
    unit: 'days',
    description: 'How long an upload job that has ended can be asked about.',
  },
} as const satisfies Record<string, SettingSpec>
