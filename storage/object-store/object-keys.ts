import { createHash } from 'node:crypto'
import { assert } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { type DayNumber, dayText, type Position, type ShardId } from '../../base/ids.ts'

/** First segment of every key of this layout; a change of layout is another one. */
const LAYOUT = 'v1'
/** Longest key, in characters; S3 allows 1,024 bytes. */
const KEY_LENGTH_MAX = 1024
/** Longest part between slashes; most file systems allow 255 bytes. */
const KEY_PART_LENGTH_MAX = 255
const KEY_PART = /^[A-Za-z0-9_=-][A-Za-z0-9._=-]*$/

/**
 * Throws invalid_parameter unless `key` is one or more parts of `[A-Za-z0-9._=-]`, none beginning with a dot, joined by
 * `/`. So no key can climb out of a directory or hide in it.
 */
export function checkObjectKey(key: string): void {
  if (key.length > KEY_LENGTH_MAX || !key.split('/').every(isKeyPart)) {
    throw new WeirError('invalid_parameter', 'not an object key', { key: key.slice(0, KEY_LENGTH_MAX) })
  }
}

function isKeyPart(part: string): boolean {
  return part.length <= KEY_PART_LENGTH_MAX && KEY_PART.test(part)
}

/** 64 bits of the SHA-256 of an object, hex: what keys end in (C10). `update` in order, then `text` once. */
export class ContentHash {
  readonly #hash = createHash('sha256')

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes)
  }

  text(): string {
    return this.#hash.digest('hex').slice(0, 16)
  }
}

/** The content hash of bytes that are all there. */
export function contentHashOf(bytes: Uint8Array): string {
  const hash = new ContentHash()
  hash.update(bytes)
  return hash.text()
}

/** Prefix of everything a shard publishes. */
export function shardPrefix(shard: ShardId): string {
  return `${LAYOUT}/${shard}/`
}

/** Prefix of the segments of one day of a shard. */
function dayPrefix(shard: ShardId, day: DayNumber): string {
  return `${LAYOUT}/${shard}/${dayText(day)}/`
}

/** What the name of a segment says about it. */
export interface SegmentKeyParts {
  readonly shard: ShardId
  readonly day: DayNumber
  readonly epoch: number
  /** Positions of its oldest and newest frame. */
  readonly first: Position
  readonly last: Position
  readonly contentHash: string
}

/** `v1/<shard>/<yyyy-mm-dd>/<epoch>-<generation.sequence>-<generation.sequence>-<contentHash>.seg`, numbers decimal. */
export function segmentKey(parts: SegmentKeyParts): string {
  assert(parts.epoch >= 0 && parts.contentHash.length === 16, 'a segment is named by its epoch and content')
  const { first, last } = parts
  const run = `${first.generation}.${first.sequence}-${last.generation}.${last.sequence}`
  return `${dayPrefix(parts.shard, parts.day)}${parts.epoch}-${run}-${parts.contentHash}.seg`
}

/** Prefix of the manifest pages of a shard. */
function manifestPrefix(shard: ShardId): string {
  return `${LAYOUT}/${shard}/manifest/`
}

/** Padded, so that keys of a shard sort by (epoch, counter): disaster recovery starts from the last (C10). */
export function manifestKey(shard: ShardId, epoch: number, counter: number, contentHash: string): string {
  assert(
    epoch >= 0 && counter >= 0 && contentHash.length === 16,
    'a manifest page is named by epoch, counter and content',
  )
  return `${manifestPrefix(shard)}${padded(epoch)}-${padded(counter)}-${contentHash}.msgpack`
}

/** Epoch and counter of a manifest key; undefined when it is none. */
export function parseManifestKey(key: string): { readonly epoch: number; readonly counter: number } | undefined {
  const match = /\/manifest\/(\d{10})-(\d{10})-[0-9a-f]{16}\.msgpack$/.exec(key)
  return match ? { epoch: Number(match[1]), counter: Number(match[2]) } : undefined
}

/** `v1/<shard>/seen/<epoch>-<contentHash>.msgpack`: a page of keyed chunks (D3). */
export function seenKey(shard: ShardId, epoch: number, contentHash: string): string {
  assert(epoch >= 0 && contentHash.length === 16, 'a page of keyed chunks is named by epoch and content')
  return `${shardPrefix(shard)}seen/${epoch}-${contentHash}.msgpack`
}

/** The epoch of the owner that put an object of a shard; undefined when the key is of no kind that owners put. */
export function epochOfKey(key: string): number | undefined {
  const match = /\/(\d+)-[^/]*-?[0-9a-f]{16}\.(?:seg|msgpack)$/.exec(key)
  return match ? Number(match[1]) : undefined
}

/** The content hash that a key ends in; undefined when it is of no kind that is named so. */
export function contentHashOfKey(key: string): string | undefined {
  return /-([0-9a-f]{16})\.(?:seg|msgpack)$/.exec(key)?.[1]
}

/** Prefix of everything that a cluster puts. */
export const ALL_OBJECTS = `${LAYOUT}/`
/** Prefix of the snapshots of the registry. */
export const SNAPSHOTS = `${LAYOUT}/registry/`

/** `v1/registry/<takenMs>-<contentHash>.msgpack`: keys sort by age (C10). */
export function snapshotKey(takenMs: number, contentHash: string): string {
  assert(takenMs >= 0 && contentHash.length === 16, 'a snapshot is named by its time and content')
  return `${SNAPSHOTS}${padded(takenMs, 15)}-${contentHash}.msgpack`
}

/** When a snapshot was taken; undefined when the key is of none. */
export function takenMsOfKey(key: string): number | undefined {
  const match = /\/registry\/(\d{15})-[0-9a-f]{16}\.msgpack$/.exec(key)
  return match ? Number(match[1]) : undefined
}

/** Prefix of everything that belongs to uploads. */
export const UPLOADS = `${LAYOUT}/uploads/`

/** Prefix of everything of one job. */
export function uploadPrefix(job: string): string {
  return `${UPLOADS}${job}/`
}

/** `v1/uploads/<job>/parts/<number>.part`: a job's parts are written once, by the one who takes the upload in. */
export function uploadPartKey(job: string, part: number): string {
  return `${uploadPrefix(job)}parts/${padded(part)}.part`
}

/** Prefix of the parts of a job. */
export function uploadPartsPrefix(job: string): string {
  return `${uploadPrefix(job)}parts/`
}

/** `v1/uploads/<job>/rejects/<number>-<contentHash>.json`: a page of rejects. */
export function uploadRejectsKey(job: string, page: number, contentHash: string): string {
  return `${uploadPrefix(job)}rejects/${padded(page)}-${contentHash}.json`
}

/** The job that an object belongs to; undefined when it is of none. */
export function jobOfUploadKey(key: string): string | undefined {
  return /^v1\/uploads\/([^/]+)\//.exec(key)?.[1]
}

function padded(value: number, digits = 10): string {
  return String(value).padStart(digits, '0')
}
