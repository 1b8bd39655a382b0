import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { openCachedObjectStore } from '../storage/object-store/cached.ts'
import { type DirectoryObjectStore, openDirectoryObjectStore } from '../storage/object-store/directory.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { S3ObjectStore } from '../storage/object-store/s3.ts'
import type { S3Attempt } from '../storage/object-store/s3-requests.ts'
import type { Settings } from './config.ts'

/** Where S3 servers that are not of AWS say they are. */
const REGION_ELSEWHERE = 'us-east-1'

export interface OpenedObjectStore extends ObjectStore {
  /** Throws storage_unavailable, saying what is wrong with the bucket; `details.kind` is `transient` where waiting may help. */
  checkAccess(): Promise<void>
  close(): void | Promise<void>
}

export interface ObjectStoreHooks {
  readonly objectAttempt?: (attempt: S3Attempt) => void
  readonly objectLookup?: (isHit: boolean) => void
  readonly objectCacheFailed?: (code: string) => void
  /** There is a cache; `bytes` tells how much it holds. */
  readonly onObjectCache?: (bytes: () => number) => void
}

/**
 * The object store that the settings name, for one thread: the bucket, or else the directory. `worker` is the number of the worker; it has its share of the
 * cache on the local disk, and others have none. Whether the bucket can be reached is another matter: see `checkAccess`. Throws invalid_config, and
 * storage_unavailable where the local disk fails.
 */
export async function openObjectStore(
  settings: Settings,
  clock: Clock,
  hooks: ObjectStoreHooks = {},
  worker?: number,
): Promise<OpenedObjectStore> {
  const bucket = settings['s3.bucket']
  if (bucket === null) return withoutCheck(await openDirectoryObjectStore(settings['objects.dir'], clock))
  const remote = await openBucket(bucket, settings, clock, hooks)
  if (worker === undefined || settings['cache.bytesMax'] === 0) return remote
  const directory = join(settings['data.dir'], 'cache')
  try {
    if (worker === 0) await removeOtherShares(directory, settings.workers)
    const cached = await openCachedObjectStore({
      remote,
      directory: join(directory, String(worker)),
      bytesMax: Math.floor(settings['cache.bytesMax'] / settings.workers),
      clock,
      onLookup: hooks.objectLookup,
      onFailure: hooks.objectCacheFailed,
    })
    hooks.onObjectCache?.(() => cached.cachedBytes)
    return Object.assign(cached, { checkAccess: () => remote.checkAccess() })
  } catch (error) {
    remote.close()
    throw error
  }
}

function withoutCheck(store: DirectoryObjectStore): OpenedObjectStore {
  return Object.assign(store, { checkAccess: async () => undefined })
}

/** What workers had that there are no longer: nobody would bound it. */
async function removeOtherShares(directory: string, workers: number): Promise<void> {
  const shares = await readdir(directory).catch(() => [])
  const others = shares.filter((name) => !(Number(name) < workers))
  await Promise.all(others.map((name) => rm(join(directory, name), { recursive: true, force: true })))
}

async function openBucket(
  bucket: string,
  settings: Settings,
  clock: Clock,
  hooks: ObjectStoreHooks,
): Promise<S3ObjectStore> {
  // Only now: the client takes a quarter of a second to load.
  const { s3ObjectStore } = await import('../storage/object-store/s3.ts')
  const { 's3.accessKeyId': accessKeyId, 's3.secretAccessKey': secretAccessKey } = settings
  const endpoint = settings['s3.endpoint'] ?? undefined
  return s3ObjectStore({
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
