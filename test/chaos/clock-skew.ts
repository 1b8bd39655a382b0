/**
 * Loaded before a node (`node --import`) it shifts what the node takes for the time of day by CLOCK_SKEW_MS, on every thread. Monotonic time is
 * not touched.
 */
const skewMs = Number(process.env.CLOCK_SKEW_MS)
const RealDate = Date

globalThis.Date = class extends RealDate {
  constructor(...parts: [] | [string | number | Date]) {
    if (parts.length === 0) super(RealDate.now() + skewMs)
    else super(...(parts as [string | number | Date]))
  }

  static override now(): number {
    return RealDate.now() + skewMs
  }
} as DateConstructor
