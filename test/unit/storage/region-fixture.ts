import { systemClock } from '../../../base/clock.ts'
import { Pace } from '../../../storage/pace.ts'
import { ChunkedRegion, storedLength, writeChunks } from '../../../storage/segment-chunks.ts'
import { MemoryObjectStore } from '../../harness/memory-object-store.ts'

export const pace = new Pace(systemClock)

/** A checked region that holds `data`. */
export async function regionOf(
  data: Uint8Array,
  offset = 13,
): Promise<{ region: ChunkedRegion; store: MemoryObjectStore }> {
  const store = new MemoryObjectStore()
  const bytes = new Uint8Array(offset + storedLength(data.length) + 5)
  await writeChunks(data, bytes, offset, pace)
  await store.put('object', bytes)
  return { region: new ChunkedRegion(store, 'object', offset, data.length), store }
}
