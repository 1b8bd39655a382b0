/**
 * Numbers as planes: first the lowest byte of every number, then the next byte of every number, and so on. Bytes that vary alike lie
 * together, which compresses better than whole numbers do, and a random low byte can be kept apart from a regular high one.
 */

/** Bytes that the numbers 0 to `max` (a safe integer) need: 0 to 7. */
export function planesFor(max: number): number {
  let planes = 0
  for (let rest = max; rest >= 1; rest = Math.floor(rest / 256)) planes++
  return planes
}

/** Planes of the safe, non-negative integers `values`. */
export function splitPlanes(values: Float64Array | Uint32Array, planeCount: number): Uint8Array[] {
  const planes = Array.from({ length: planeCount }, () => new Uint8Array(values.length))
  for (let p = 0; p < Math.min(4, planeCount); p++) {
    const plane = planes[p]!
    const shift = p * 8
    // `|` keeps the lowest 32 bits of any safe integer.
    for (let i = 0; i < values.length; i++) plane[i] = (values[i]! | 0) >>> shift
  }
  for (let p = 4; p < planeCount; p++) {
    const plane = planes[p]!
    const scale = 2 ** (p * 8)
    for (let i = 0; i < values.length; i++) plane[i] = Math.floor(values[i]! / scale) & 0xff
  }
  return planes
}

/** Inverse of `splitPlanes`: writes to `values`, which holds zeros. One pass for each plane, 0.4 ns a number. */
export function joinPlanes(planes: readonly Uint8Array[], values: Float64Array): void {
  for (let p = 0; p < planes.length; p++) {
    const plane = planes[p]!
    const scale = 2 ** (p * 8)
    if (p === 0) for (let i = 0; i < values.length; i++) values[i] = plane[i]!
    else for (let i = 0; i < values.length; i++) values[i]! += plane[i]! * scale
  }
}

/** The same for numbers of at most four planes. A function of its own: a loop over two kinds of arrays is three times as slow. */
export function joinPlanes32(planes: readonly Uint8Array[], values: Uint32Array): void {
  for (let p = 0; p < planes.length; p++) {
    const plane = planes[p]!
    const shift = p * 8
    if (p === 0) for (let i = 0; i < values.length; i++) values[i] = plane[i]!
    else for (let i = 0; i < values.length; i++) values[i]! |= plane[i]! << shift
  }
}

/** Bytes that entropy is estimated from. */
const SAMPLE_BYTES = 4096
const histogram = new Uint32Array(256)

/**
 * True when an order-0 code could not save a fiftieth of `bytes`. Judges single bytes only: repeated sequences go unseen.
 */
export function looksRandom(bytes: Uint8Array): boolean {
  const count = Math.min(bytes.length, SAMPLE_BYTES)
  if (count < 1024) return false
  histogram.fill(0)
  for (let i = 0; i < count; i++) histogram[bytes[i]!]!++
  let bits = 0
  for (let i = 0; i < 256; i++) if (histogram[i]! > 0) bits -= histogram[i]! * Math.log2(histogram[i]! / count)
  // A sample of n uniform bytes shows about 255 / (2 n ln 2) bits less than 8.
  return bits / count > 7.85 - 184 / count
}
