import { type CipherGCM, createCipheriv, createDecipheriv } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { corruptData } from '../base/bytes.ts'

/**
 * A part of an upload as it lies in the object store until its job has ingested it (X1): sealed with the key of the job, which is kept in the
 * registry alone and goes with the job. See docs/formats.md.
 */
const MAGIC = Buffer.from('WUP\x01')
const TAG_BYTES = 16
const NONCE_BYTES = 12
export const UPLOAD_KEY_BYTES = 32
/** What a part has beyond the bytes that it holds. */
const SEALED_OVERHEAD_BYTES = MAGIC.length + TAG_BYTES

/** Seals one part as its bytes arrive. A part of a job is sealed once: the number is the nonce. */
export class PartSealer {
  readonly #cipher: CipherGCM
  readonly #sealed: Buffer
  #at = MAGIC.length

  /** Of at most `bytesMax` bytes. */
  constructor(job: string, key: Uint8Array, part: number, bytesMax: number) {
    assert(key.length === UPLOAD_KEY_BYTES, 'a key has 256 bits')
    this.#cipher = createCipheriv('aes-256-gcm', key, nonceOf(part))
    this.#cipher.setAAD(contextOf(job, part))
    this.#sealed = Buffer.allocUnsafeSlow(bytesMax + SEALED_OVERHEAD_BYTES)
    MAGIC.copy(this.#sealed)
  }

  /** Bytes that it holds. */
  get length(): number {
    return this.#at - MAGIC.length
  }

  add(bytes: Uint8Array): void {
    assert(this.#at + bytes.length + TAG_BYTES <= this.#sealed.length, 'the part has room for it')
    this.#at += this.#cipher.update(bytes).copy(this.#sealed, this.#at)
  }

  /** The sealed part; nothing is added any more. */
  seal(): Uint8Array {
    assert(this.#cipher.final().length === 0, 'nothing is held back in counter mode')
    this.#cipher.getAuthTag().copy(this.#sealed, this.#at)
    return this.#sealed.subarray(0, this.#at + TAG_BYTES)
  }
}

/** The bytes of a sealed part. Throws corrupt_data when they are not those that were sealed as this part of this job. */
export function openPart(job: string, key: Uint8Array, part: number, sealed: Uint8Array): Buffer {
  const end = sealed.length - TAG_BYTES
  if (end < MAGIC.length || MAGIC.compare(sealed, 0, MAGIC.length) !== 0) throw corruptData('not a part of an upload')
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(part))
  decipher.setAAD(contextOf(job, part))
  decipher.setAuthTag(sealed.subarray(end))
  const bytes = decipher.update(sealed.subarray(MAGIC.length, end))
  try {
    decipher.final()
  } catch {
    throw corruptData('a part of an upload is not what was sealed')
  }
  return bytes
}

function nonceOf(part: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeBigUInt64BE(BigInt(part), NONCE_BYTES - 8)
  return nonce
}

function contextOf(job: string, part: number): Buffer {
  return Buffer.from(`${job}/${part}`)
}
