/**
 * Y: the CPU time per record of turning NDJSON into kept JavaScript objects (line bytes → string → JSON.parse → pushed to an array of
 * 10,000), one thread, garbage collection included, median of three. Budgets are ratios to it, since absolute times mean little on
 * a shared machine.
 */
export function measureYardstick(ndjson: Uint8Array): number {
  const runs = [measureOnce(ndjson), measureOnce(ndjson), measureOnce(ndjson)]
  return runs.sort((a, b) => a - b)[1]!
}

/** Microseconds of CPU a record. */
function measureOnce(ndjson: Uint8Array): number {
  const bytes = Buffer.from(ndjson.buffer, ndjson.byteOffset, ndjson.byteLength)
  const before = process.cpuUsage()
  let kept: unknown[] = []
  let records = 0
  for (let start = 0; start < bytes.length; ) {
    let end = bytes.indexOf(0x0a, start)
    if (end === -1) end = bytes.length
    kept.push(JSON.parse(bytes.toString('utf8', start, end)))
    if (kept.length === 10_000) kept = []
    records++
    start = end + 1
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / records
}
