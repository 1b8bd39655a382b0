import { open } from 'node:fs/promises'
import { assert } from '../base/assert.ts'
import { corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import { uninitialized } from '../base/free-bytes.ts'
import type { Place } from './place.ts'

/**
 * A batch on the disk: magic, length and CRC-32 of the head (uint32, little-endian), the head as JSON, the body as it is sent.
 */
export interface SpoolHead {
  /** Numbers batches in the order of their making, from 1. */
  readonly seq: number
  /** Of every attempt to send it (D3). */
  readonly key: string
  /** What it was made for: the places of its sources once it is durable. */
  readonly places: Readonly<Record<string, Place>>
  readonly records: number
  /** Of the body before compression. */
  readonly rawBytes: number
  readonly compression: 'zstd' | 'gzip' | 'none'
  readonly bodyBytes: number
  /** CRC-32. */
  readonly bodyChecksum: number
}

const MAGIC = Buffer.from('WEIRBAT1')
const FIXED_BYTES = MAGIC.length + 8
/** Places of the inputs of one batch; more means that the length is damaged. */
const HEAD_BYTES_MAX = 64 * 1024 * 1024

/** Writes a batch and puts it on stable storage; the directory's entry is for the caller. Gives its size. */
export async function writeSpoolFile(path: string, head: SpoolHead, body: Buffer): Promise<number> {
  assert(body.length === head.bodyBytes, 'a batch is as long as it says')
  const text = Buffer.from(JSON.stringify(head))
  const fixed = Buffer.alloc(FIXED_BYTES)
  MAGIC.copy(fixed)
  fixed.writeUInt32LE(text.length, MAGIC.length)
  fixed.writeUInt32LE(checksum(text), MAGIC.length + 4)
  const file = await open(path, 'w', 0o600)
  try {
    await file.writev([fixed, text, body])
    await file.datasync()
  } finally {
    await file.close()
  }
  return FIXED_BYTES + text.length + body.length
}

export interface SpooledBatch {
  readonly head: SpoolHead
  readonly body: Buffer
  /** What was read, whole; to be freed when nobody reads the body any more. */
  readonly bytes: Uint8Array
}

/** Reads a batch. Throws corrupt_data for one that was not written to its end, or is damaged. */
export async function readSpoolFile(path: string): Promise<SpooledBatch> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const whole = uninitialized(size)
    const { bytesRead } = await file.read(whole, 0, size, 0)
    const bytes = Buffer.from(whole.buffer, 0, bytesRead)
    if (bytes.length < FIXED_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
      throw corruptData(`${path} is no batch`)
    }
    const length = bytes.readUInt32LE(MAGIC.length)
    const bodyAt = FIXED_BYTES + length
    const text = bytes.subarray(FIXED_BYTES, bodyAt)
    if (length > HEAD_BYTES_MAX || text.length < length || checksum(text) !== bytes.readUInt32LE(MAGIC.length + 4)) {
      throw corruptData(`the head of ${path} is damaged`)
    }
    const head = JSON.parse(text.toString()) as SpoolHead
    const body = bytes.subarray(bodyAt)
    if (body.length !== head.bodyBytes || checksum(body) !== head.bodyChecksum) {
      throw corruptData(`the body of ${path} is damaged`)
    }
    return { head, body, bytes: whole }
  } finally {
    await file.close()
  }
}
