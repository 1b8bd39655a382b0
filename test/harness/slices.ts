/** The yardstick of the budgets, on the machine whose slices may have 10 ms (T2), µs a record. */
const YARDSTICK_THERE = 1.28
const SLICE_MS = 10
/** So that a machine that is slow at one thing is no failure. */
const FACTOR = 3
const RECORDS = 5000

/** CPU time that a slice may take on this machine as it is now, ms. */
export function sliceMaxMs(): number {
  const lines = Array.from({ length: RECORDS }, (_, i) =>
    Buffer.from(
      JSON.stringify({
        ...{ timestamp: new Date(1_790_000_000_000 + i).toISOString(), level: 'INFO', service: `service-${i % 12}` },
        ...{
          host: `node-${i % 40}`,
          traceId: i.toString(16).padStart(32, '0'),
          spanId: i.toString(16).padStart(16, '0'),
        },
        ...{
          message: `GET /api/orders/${i * 7919} completed in ${i % 900}ms bytes=${i * 31}`,
          status: 200,
          latency_ms: i % 900,
        },
        metadata: { userId: `u_${i}`, region: 'eu-west-1', attempt: 1, path: '/api/orders', method: 'GET' },
      }),
    ),
  )
  const once = () => {
    const kept: unknown[] = []
    return cpuMs(() => {
      for (const line of lines) kept.push(JSON.parse(line.toString()))
    })
  }
  const [, yardstickMs] = [once(), once(), once()].sort((a, b) => a - b)
  return (SLICE_MS * FACTOR * yardstickMs! * 1000) / RECORDS / YARDSTICK_THERE
}

/** CPU time of `work`, collections and compilation included; time that others had the core is not. */
export function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
