/**
 * Room for lists of rows that live for one pass over a source. Arrays of more than 64 bytes of their own cost V8 an allocation outside of its heap
 * each, 0.5 µs with what the collector does for it: a quarter of what a thousand rules cost (bench/micro/alert-rules.ts).
 */
const room = new Uint32Array(1 << 16)
let used = 0

/** Gives back all lists: at the start of a pass. */
export function clearRows(): void {
  used = 0
}

/** A list of `count` numbers of any value, good until the next `clearRows`. */
export function scratchRows(count: number): Uint32Array {
  if (used + count > room.length) return new Uint32Array(count)
  used += count
  return room.subarray(used - count, used)
}

/** Gives back the end of a list that was the last one taken: `count` of it are kept. */
export function keepRows(list: Uint32Array, count: number): Uint32Array {
  if (list.buffer === room.buffer) used -= list.length - count
  return list.subarray(0, count)
}
