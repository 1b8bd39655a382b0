/**
 * The inner loops of making a block, compiled to WebAssembly (AssemblyScript). build.ts puts the parts together: layout,
 * tokens, hashes, bloom, hex.
 *
 * Memory, from address 0: tables of fixed size, whose addresses are below and in block-kernel.ts; the batch of values being
 * looked at, as large as its longest value asks for (`arrange`); the set of hashes, which grows; after it room for the
 * filter. Nothing moves while a batch is being looked at.
 */

// In step with base/hash.ts, checked by block-kernel.ts.
const HASH_SEED: i32 = <i32>0x811c9dc5
const HASH_MULTIPLIER: i32 = <i32>0x9e3779b1

// --- fixed tables; in step with block-kernel.ts ---

/** Words: slots of 32 bytes, the folded letters of a word, then zeros; a free slot is all zeros. */
const WORD_SLOTS: usize = 0x1000
const WORD_SLOTS_LOG2: i32 = 13
const WORD_SLOT_BYTES_LOG2: i32 = 5
/** Addresses of the slots taken, in order of first sight. */
const WORD_LIST: usize = 0x41000
const WORDS_MAX: i32 = 4096
const WORD_LENGTH_MIN: i32 = 2
const WORD_LENGTH_MAX: i32 = 32
/** 16 bytes of ones, then 16 of zeros: MASKS + 16 - n is a mask of the first n bytes. */
const MASKS: usize = 0x46000
/** Entry n: the multiplicative inverse of HASH_MULTIPLIER to the power of n. */
const INVERSES: usize = 0x46040
/** By folded byte, its class in a pair (storage/token-shapes.ts). */
const CLASS: usize = 0x46100
/** Shapes of the tokens that are no words: see storage/token-shapes.ts, which fills CLASS and reads the rest. */
const CLASSES: i32 = 38
const PAIRS: usize = 0x46200
const NEAR_LENGTH_MAX: i32 = 34
const NEAR_ONE: usize = 0x46800
const NEAR_TWO: usize = 0x46840
const FLAGS: usize = 0x46880
const FLAG_HEXADECIMAL: i32 = 1
const HEXADECIMAL_HEAD: i32 = 8
/** Counts, four bytes each. */
const WORD_COUNT: usize = 0x468c0
const WORDS_OVERFLOW: usize = 0x468c4
const HASH_COUNT: usize = 0x468c8
/** Starts of the batch's values, and its end, as places in the column's bytes; type of each value. */
const ROWS_MAX: usize = 8192
const OFFSETS: usize = 0x47000
const TYPES: usize = 0x50000
/** Digits of the integer being looked at, ending before DIGITS_END. */
const DIGITS_END: usize = 0x46f00
/** Integers seen lately, by their hash; NaN where there is none. */
const RECENT: usize = 0x52800
const RECENT_LOG2: i32 = 12
/** The batch's text. */
const TEXT: usize = 0x5b000
/** Bytes beyond the text that are read and written. */
const SLACK: usize = 128

// --- places that depend on the room for text; set by `arrange` ---

/** One bit a byte of the text: a value begins there. */
let bounds: usize = 0
/** Starts and ends of the tokens, as places in the text. */
let starts: usize = 0
let ends: usize = 0
/** Tokens that are no words: start and length of each. */
let others: usize = 0
/** Hashes that wait to be put into the set. */
let pending: usize = 0
let pendingEnd: usize = 0
/** Open addressing; 0: free, else a hash. */
let slots: usize = 0
let slotsLog2: i32 = 0
/** The hashes in the slots, in order of first sight. */
let list: usize = 0
let hashCount: i32 = 0

@inline
function aligned(address: usize): usize {
  return (address + 63) & ~63
}

/** Grows the memory so that addresses below `end` can be used; traps when that is refused. */
function reach(end: usize): void {
  const pages = <i32>((end + 0xffff) >>> 16) - memory.size()
  if (pages > 0 && memory.grow(pages) < 0) unreachable()
}

/** Makes room for batches of `textBytes`; what is in the set stays. `log2` is the size of the set when it is empty. */
export function arrange(textBytes: usize, log2: i32): void {
  bounds = aligned(TEXT + textBytes + SLACK)
  starts = aligned(bounds + (textBytes >>> 3) + SLACK)
  // Every other byte can end a token, and so can every value, which can have a hash of its own besides.
  const tokens = (textBytes >>> 1) + ROWS_MAX
  ends = aligned(starts + (tokens << 2) + SLACK)
  others = aligned(ends + (tokens << 2) + SLACK)
  pending = aligned(others + (tokens << 3) + SLACK)
  const end = aligned(pending + ((tokens + ROWS_MAX) << 2) + SLACK)
  const from = list
  if (hashCount == 0) slotsLog2 = log2
  slots = end
  place(from)
}

export function init(): void {
  memory.fill(MASKS, 0xff, 16)
  memory.fill(MASKS + 16, 0, 16)
  // Newton's iteration doubles the bits that are right.
  let inverse = HASH_MULTIPLIER
  for (let i = 0; i < 5; i++) inverse *= 2 - HASH_MULTIPLIER * inverse
  let power: i32 = 1
  for (let n: usize = 0; n < 8; n++) {
    store<i32>(INVERSES + (n << 2), power)
    power *= inverse
  }
}

/** Forgets what was gathered. */
export function reset(): void {
  memory.fill(WORD_SLOTS, 0, <usize>1 << (WORD_SLOTS_LOG2 + WORD_SLOT_BYTES_LOG2))
  memory.fill(PAIRS, 0, OFFSETS - PAIRS)
  if (hashCount > 0) memory.fill(slots, 0, <usize>4 << slotsLog2)
  hashCount = 0
}
