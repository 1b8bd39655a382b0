import { readFile } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { openDirectoryObjectStore } from '../storage/object-store/directory.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { S3Attempt } from '../storage/object-store/s3-requests.ts'
import type { Settings } from './config.ts'

/** Where S3 servers that are not of AWS say they are. */
const REGION_ELSEWHERE = 'us-east-1'

export interface OpenedObjectStore extends ObjectStore {
  close(): void
}

export interface ObjectStoreHooks {
  readonly objectAttempt?: (attempt: S3Attempt) => void
}

/**
 * The object store that the settings name, for one thread: the bucket, or else the directory. Throws storage_unavailable, saying what is wrong with
 * the bucket, and invalid_config.
 */
export async function openObjectStore(
  settings: Settings,
  clock: Clock,
  hooks: ObjectStoreHooks = {},
): Promise<OpenedObjectStore> {
  const bucket = settings['s3.bucket']
  if (bucket === null) return openDirectoryObjectStore(settings['objects.dir'], clock)
  // Only now: the client takes a quarter of a second to load.
  const { openS3ObjectStore } = await import('../storage/object-store/s3.ts')
  const { 's3.accessKeyId': accessKeyId, 's3.secretAccessKey': secretAccessKey } = settings
  const endpoint = settings['s3.endpoint'] ?? undefined
  return openS3ObjectStore({
    bucket,
    prefix: settings['s3.prefix'] ?? settings['cluster.name'],
    endpoint,
    region: settings['s3.region'] ?? (endpoint === undefined ? undefined : regionAtEndpoint()),
    forcePathStyle: settings['s3.forcePathStyle'],
    credentials: accessKeyId === null || secretAccessKey === null ? undefined : { accessKeyId, secretAccessKey },
    ca: await certificates(settings['s3.caFile']),
    createBucket: settings['s3.createBucket'],
    clock,
    onAttempt: hooks.objectAttempt,
  })
}

function regionAtEndpoint(): string {
  return process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? REGION_ELSEWHERE
}

async function certificates(path: string | null): Promise<string | undefined> {
  if (path === null) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new WeirError('invalid_config', `s3.caFile ${path} cannot be read`, {}, { cause: error })
  }
}
