import { corruptData } from '../base/bytes.ts'
import { checksum } from '../base/checksum.ts'
import { compressLater, inflate } from '../base/zstd.ts'
import { type BlockChunk, CHUNK_PLAIN, CHUNK_ZSTD, encodeBlockHeader, readBlockHeader } from './block-header.ts'

/**
 * The same block with its chunks compressed at another zstd level: for a merge that keeps a full block, and so its id and filters,
 * as it is. Throws corrupt_data.
 */
export async function recompressBlock(bytes: Uint8Array, zstdLevel: number): Promise<Uint8Array> {
  const header = readBlockHeader(bytes)
  const stored: Uint8Array[] = []
  const chunks: BlockChunk[] = []
  for (const chunk of header.chunks) {
    const before = bytes.subarray(chunk.start, chunk.start + chunk.storedLength)
    if (before.length !== chunk.storedLength || checksum(before) !== chunk.checksum) {
      throw corruptData('chunk of a block fails its checksum', { chunk: chunks.length })
    }
    // A chunk that did not shrink at the fast level will not now.
    const raw = chunk.codec === CHUNK_PLAIN ? before : inflate(before, chunk.rawLength)
    const compressed = chunk.codec === CHUNK_PLAIN ? before : await compressLater(raw, zstdLevel)
    const after = compressed.length < before.length ? compressed : before
    const codec = chunk.codec === CHUNK_PLAIN ? CHUNK_PLAIN : CHUNK_ZSTD
    stored.push(after)
    chunks.push({ codec, start: 0, storedLength: after.length, rawLength: chunk.rawLength, checksum: checksum(after) })
  }
  const head = encodeBlockHeader({ ...header, chunks })
  const length = stored.reduce((sum, chunk) => sum + chunk.length, head.length)
  const block = new Uint8Array(length)
  block.set(head, 0)
  let at = head.length
  for (const chunk of stored) {
    block.set(chunk, at)
    at += chunk.length
  }
  return block
}
