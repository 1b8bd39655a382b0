import { hash } from 'node:crypto'

/** What some bytes of a file are known by: their number, and 128 bits of their SHA-256. */
export interface ContentMark {
  readonly length: number
  readonly hash: string
}

/**
 * How far a file has been read. A file is known by its inode and by what it holds: an inode is used again, and a rotated file is copied or
 * compressed into another one.
 */
export interface FilePlace {
  readonly kind: 'file'
  /** Name of the input. */
  readonly input: string
  readonly path: string
  /** Numbers of the file system, as text: they may have 64 bits. */
  readonly device: string
  readonly inode: string
  /** Everything before it is in batches; of a compressed file, in its content. */
  readonly offset: number
  /** By stream: records that have begun before `offset` and are not in a batch, because their end has not come. */
  readonly pending?: Readonly<Record<string, number>>
  /** The line at `offset` was too long, and its beginning is in a batch. */
  readonly isSkipping?: true
  /** When the file was last changed, as far as was read, ms since the epoch. */
  readonly changedMs: number
  /** The first bytes of the file, and the last ones before `offset`. */
  readonly head: ContentMark
  readonly tail: ContentMark
  /** `open`: more may come; `lost`: its rest is looked for under other names; `finished`: it has been read to the end and is gone. */
  readonly state: 'open' | 'lost' | 'finished'
  /** When it got into this state, ms since the epoch. */
  readonly sinceMs: number
}

/** The last entry of a journal that is in a batch. */
export interface JournalPlace {
  readonly kind: 'journal'
  readonly cursor: string
}

/** A pipe is read once and has no place. */
export interface PipePlace {
  readonly kind: 'pipe'
}

export type Place = FilePlace | JournalPlace | PipePlace

/** Bytes at the beginning of a file that tell it from others, and before a place in it. */
export const HEAD_BYTES = 1024
export const TAIL_BYTES = 64

export function markOf(bytes: Uint8Array): ContentMark {
  return { length: bytes.length, hash: hash('sha256', bytes, 'hex').slice(0, 32) }
}

export function isMarkOf(mark: ContentMark, bytes: Uint8Array): boolean {
  return bytes.length === mark.length && (mark.length === 0 || markOf(bytes).hash === mark.hash)
}
