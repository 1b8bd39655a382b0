import type { Readable } from 'node:stream'
import { getCACertificates } from 'node:tls'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { WeirError } from '../../base/errors.ts'
import { type ByteRange, cutRange, cutTail, rangeHeader } from './byte-range.ts'
import { checkObjectKey } from './object-keys.ts'
import type { ObjectStore } from './object-store.ts'
import { s3Error } from './s3-failure.ts'
import { readBody, S3_LIMITS, type S3Attempt, type S3Limits, S3Requests } from './s3-requests.ts'

const MIB = 1024 * 1024
/** A connection that nobody uses is closed before the store or a proxy does so in the middle of a request. */
const IDLE_SOCKET_MS = 4000
/** S3 takes no smaller part, but for the last. */
const PART_BYTES_MIN = 5 * MIB

export interface S3Options {
  readonly bucket: string
  /** Before every key, with a slash between; empty for none. */
  readonly prefix: string
  /** Unset: the one of the AWS region. */
  readonly endpoint?: string | undefined
  /** Unset: what the environment or the shared files of AWS say. */
  readonly region?: string | undefined
  readonly forcePathStyle: boolean
  /** Unset: the standard chain (environment, shared files, container and instance roles). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined
  /** Certificates (PEM) to trust beside those of the system. */
  readonly ca?: string | undefined
  /** Makes the bucket when it is absent. */
  readonly createBucket: boolean
  readonly clock: Clock
  readonly limits?: Partial<S3Limits>
  /** After each attempt of a request. */
  readonly onAttempt?: ((attempt: S3Attempt) => void) | undefined
}

/** ObjectStore on S3 or what speaks its protocol. */
export interface S3ObjectStore extends ObjectStore {
  /** As `get`, with the size of the whole object. */
  read(key: string, range?: ByteRange): Promise<{ readonly bytes: Uint8Array; readonly objectBytes: number }>
  /**
   * Waits for the bucket, for a while, makes it where that is asked for, and checks that it lets itself be listed and written. Throws storage_unavailable
   * that says what is wrong: the address, the certificate, the credentials, the region, the bucket, the right to write; `details.kind` is `transient` where waiting
   * longer may help.
   */
  checkAccess(): Promise<void>
  close(): void
}

/** A store that may be away. Nothing is asked of it yet. */
export function s3ObjectStore(options: S3Options): S3ObjectStore {
  return new S3Store(options)
}

/** A store that is there. Throws what `checkAccess` throws. */
export async function openS3ObjectStore(options: S3Options): Promise<S3ObjectStore> {
  const store = new S3Store(options)
  try {
    await store.checkAccess()
  } catch (error) {
    store.close()
    throw error
  }
  return store
}

class S3Store implements S3ObjectStore {
  readonly #options: S3Options
  readonly #limits: S3Limits
  readonly #clock: Clock
  readonly #client: S3Client
  readonly #requests: S3Requests
  readonly #bucket: string
  readonly #prefix: string

  constructor(options: S3Options) {
    if (options.prefix !== '') checkObjectKey(options.prefix)
    this.#options = options
    this.#limits = { ...S3_LIMITS, ...options.limits }
    assert(this.#limits.partBytes >= PART_BYTES_MIN && this.#limits.attemptsMax >= 1, 'bounds that S3 can keep')
    this.#clock = options.clock
    this.#bucket = options.bucket
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`
    this.#client = newClient(options, this.#limits)
    this.#requests = new S3Requests(this.#clock, this.#limits, options.onAttempt)
  }

  async checkAccess(): Promise<void> {
    const place = `bucket ${this.#bucket}${this.#options.endpoint === undefined ? '' : ` at ${this.#options.endpoint}`}`
    try {
      await this.#waitForBucket()
      for await (const _ of this.#pages(this.#prefix, 1)) break
      const key = `access-check-${Buffer.from(this.#clock.randomBytes(8)).toString('hex')}`
      await this.put(key, new Uint8Array(0))
      await this.delete(key)
    } catch (error) {
      if (!(error instanceof WeirError)) throw error
      throw new WeirError(error.code, `${place}: ${error.message}`, error.details, { cause: error })
    }
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    checkObjectKey(key)
    if (bytes.length > this.#limits.partBytes) return this.#putParts(key, bytes)
    await this.#requests.ask('put', key, bytes.length, ({ signal }) =>
      this.#client.send(new PutObjectCommand({ ...this.#place(key), Body: bytes }), { abortSignal: signal }),
    )
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    return (await this.read(key, range)).bytes
  }

  async read(key: string, range?: ByteRange): Promise<{ readonly bytes: Uint8Array; readonly objectBytes: number }> {
    checkObjectKey(key)
    if (range?.length === 0) return { bytes: new Uint8Array(0), objectBytes: await this.#sizeOf(key) }
    const read = await this.#get(key, range)
    if (read !== undefined) return read
    // Not satisfiable: nothing lies there, or (as some stores see it) the object is smaller than the tail that was asked for.
    if (range === undefined || range.offset >= 0) {
      return { bytes: new Uint8Array(0), objectBytes: await this.#sizeOf(key) }
    }
    const whole = await this.#get(key, undefined)
    assert(whole !== undefined, 'a whole object is not out of its range')
    return { bytes: cutRange(whole.bytes, range), objectBytes: whole.objectBytes }
  }

  async size(key: string): Promise<number | undefined> {
    checkObjectKey(key)
    try {
      return await this.#sizeOf(key)
    } catch (error) {
      if (error instanceof WeirError && error.code === 'not_found') return undefined
      throw error
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    const folder = prefix.slice(0, Math.max(0, prefix.lastIndexOf('/')))
    if (folder !== '') checkObjectKey(folder)
    for await (const keys of this.#pages(this.#prefix + prefix)) {
      for (const key of keys) yield key.slice(this.#prefix.length)
    }
  }

  async delete(key: string): Promise<void> {
    checkObjectKey(key)
    try {
      await this.#requests.ask('delete', key, 0, ({ signal }) =>
        this.#client.send(new DeleteObjectCommand(this.#place(key)), { abortSignal: signal }),
      )
    } catch (error) {
      if (!(error instanceof WeirError && error.code === 'not_found')) throw error
    }
  }

  close(): void {
    this.#client.destroy()
  }

  #place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  async #sizeOf(key: string): Promise<number> {
    const head = await this.#requests.ask('size', key, 0, ({ signal }) =>
      this.#client.send(new HeadObjectCommand(this.#place(key)), { abortSignal: signal }),
    )
    return head.ContentLength ?? 0
  }

  /** Undefined when the store says that it has nothing in this range. */
  async #get(
    key: string,
    range: ByteRange | undefined,
  ): Promise<{ readonly bytes: Uint8Array; readonly objectBytes: number } | undefined> {
    return this.#requests.ask(
      'get',
      key,
      0,
      async (patience) => {
        const command = new GetObjectCommand({ ...this.#place(key), Range: rangeHeader(range) })
        const answer = await this.#client.send(command, { abortSignal: patience.signal })
        const heard = () => patience.renew(this.#limits.silenceMs)
        heard()
        const body = await readBody(answer.Body as Readable, answer.ContentLength, patience.signal, heard)
        const objectBytes = Number(/\/(\d+)$/.exec(answer.ContentRange ?? '')?.[1] ?? body.length)
        // A store that does not know ranges answers with everything.
        const isWhole = answer.ContentRange === undefined
        return { bytes: isWhole ? cutRange(body, range) : cutTail(body, range), objectBytes }
      },
      'range',
    )
  }

  async *#pages(prefix: string, pageKeysMax?: number): AsyncIterable<string[]> {
    let token: string | undefined
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        ContinuationToken: token,
        MaxKeys: pageKeysMax,
      })
      const page = await this.#requests.ask('list', prefix, 0, ({ signal }) =>
        this.#client.send(command, { abortSignal: signal }),
      )
      yield (page.Contents ?? []).flatMap(({ Key }) => Key ?? [])
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async #putParts(key: string, bytes: Uint8Array): Promise<void> {
    const place = this.#place(key)
    const { UploadId } = await this.#requests.ask('beginParts', key, 0, ({ signal }) =>
      this.#client.send(new CreateMultipartUploadCommand({ ...place, ChecksumAlgorithm: 'CRC32' }), {
        abortSignal: signal,
      }),
    )
    const upload = { ...place, UploadId }
    try {
      const Parts = await this.#sendParts(key, upload, bytes)
      await this.#completeParts(key, bytes.length, () => ({ ...upload, MultipartUpload: { Parts } }))
    } catch (error) {
      await this.#giveUpParts(upload)
      throw error
    }
  }

  /** All parts, in order; fails with the first error, when none is on its way any more. */
  async #sendParts(key: string, upload: object, bytes: Uint8Array): Promise<CompletedPart[]> {
    const { partBytes, partsAtOnce } = this.#limits
    const parts: CompletedPart[] = []
    let next = 0
    let failure: { readonly error: unknown } | undefined
    const sendInTurn = async () => {
      while (failure === undefined && next * partBytes < bytes.length) {
        const number = next++
        const Body = bytes.subarray(number * partBytes, (number + 1) * partBytes)
        const command = { ...(upload as { Bucket: string; Key: string; UploadId: string }), PartNumber: number + 1 }
        try {
          const { ETag, ChecksumCRC32 } = await this.#requests.ask('putPart', key, Body.length, ({ signal }) =>
            this.#client.send(new UploadPartCommand({ ...command, ChecksumAlgorithm: 'CRC32', Body }), {
              abortSignal: signal,
            }),
          )
          parts[number] = { PartNumber: number + 1, ETag, ChecksumCRC32 }
        } catch (error) {
          failure ??= { error }
        }
      }
    }
    await Promise.all(Array.from({ length: partsAtOnce }, sendInTurn))
    if (failure !== undefined) throw failure.error
    return parts
  }

  /** An answer that got lost leaves a completed upload: then the object is there, as large as it should be. */
  async #completeParts(
    key: string,
    byteLength: number,
    input: () => ConstructorParameters<typeof CompleteMultipartUploadCommand>[0],
  ): Promise<void> {
    const completed = await this.#requests.ask(
      'completeParts',
      key,
      0,
      ({ signal }) => this.#client.send(new CompleteMultipartUploadCommand(input()), { abortSignal: signal }),
      'noUpload',
    )
    if (completed !== undefined) return
    if ((await this.size(key)) !== byteLength) {
      throw s3Error({ kind: 'noUpload', reason: 'NoSuchUpload', status: 404 }, key, 1, undefined)
    }
  }

  /** Once: a store that is away keeps the parts until the bucket's lifecycle rule takes them. */
  async #giveUpParts(upload: { Bucket: string; Key: string; UploadId: string | undefined }): Promise<void> {
    try {
      await this.#requests.askOnce('abortParts', 0, ({ signal }) =>
        this.#client.send(new AbortMultipartUploadCommand(upload), { abortSignal: signal }),
      )
    } catch {
      // The error that ended the upload is the one to report.
    }
  }

  async #waitForBucket(): Promise<void> {
    const { openMs } = this.#limits
    const untilMs = this.#clock.monotonicMs() + openMs
    for (;;) {
      try {
        const head = await this.#requests.ask(
          'headBucket',
          '',
          0,
          ({ signal }) => this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }), { abortSignal: signal }),
          'absent',
        )
        if (head !== undefined) return
        break
      } catch (error) {
        const isAway = error instanceof WeirError && error.details.kind === 'transient'
        if (!isAway || this.#clock.monotonicMs() >= untilMs) throw error
      }
    }
    if (!this.#options.createBucket) {
      throw new WeirError('storage_unavailable', 'the bucket does not exist; make it, or set s3.createBucket', {
        kind: 'bucket',
        reason: 'NoSuchBucket',
      })
    }
    await this.#createBucket()
  }

  /** Several nodes may do so at the same time. */
  async #createBucket(): Promise<void> {
    try {
      await this.#requests.ask('createBucket', '', 0, ({ signal }) =>
        this.#client.send(new CreateBucketCommand({ Bucket: this.#bucket }), { abortSignal: signal }),
      )
    } catch (error) {
      const reason = error instanceof WeirError ? error.details.reason : undefined
      if (reason !== 'BucketAlreadyOwnedByYou' && reason !== 'OperationAborted') throw error
    }
  }
}

function newClient(options: S3Options, limits: S3Limits): S3Client {
  const { endpoint, region, forcePathStyle, credentials, ca } = options
  const agent = { keepAlive: true, maxSockets: limits.requestsMax, timeout: IDLE_SOCKET_MS }
  return new S3Client({
    forcePathStyle,
    // Its own retries would be retries within ours, by a clock that is not ours.
    maxAttempts: 1,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: ca === undefined ? agent : { ...agent, ca: [...getCACertificates('default'), ca] },
      connectionTimeout: limits.connectTimeoutMs,
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
  })
}
