import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import type { Metrics } from '../base/metrics.ts'

const NS_PER_S = 1e9
/** Delays are sampled this often; shorter ones than this are not seen. */
const RESOLUTION_MS = 10

/**
 * Reads what this thread knows of itself (event loop, heap, garbage collections) before each snapshot of `metrics`, and on the thread that says `ofProcess`,
 * what the process knows. Returns the function that ends it.
 */
export function watchProcess(metrics: Metrics, thread: string, ofProcess: boolean): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const delaySeconds = metrics.gauge('eventLoopDelaySeconds', { thread })
  const heapBytes = metrics.gauge('heapBytes', { thread })
  const pauseSeconds = metrics.histogram('gcPauseSeconds', { thread })
  const collections = new PerformanceObserver((seen) => {
    for (const { duration } of seen.getEntries()) pauseSeconds.observe(duration / 1000)
  })
  collections.observe({ entryTypes: ['gc'] })
  metrics.onSnapshot(() => {
    // The histogram holds the time between two samples, the planned one included.
    delaySeconds.set(Math.max(0, delay.max / NS_PER_S - RESOLUTION_MS / 1000))
    delay.reset()
    heapBytes.set(process.memoryUsage().heapUsed)
  })
  if (ofProcess) watchWholeProcess(metrics)
  return () => {
    delay.disable()
    collections.disconnect()
  }
}

function watchWholeProcess(metrics: Metrics): void {
  const cpuSeconds = metrics.counter('processCpuSeconds')
  const residentBytes = metrics.gauge('processResidentBytes')
  metrics.gauge('processStartTime').set(performance.timeOrigin / 1000)
  metrics.onSnapshot(() => {
    cpuSeconds.setTotal(processCpuMs() / 1000)
    residentBytes.set(process.memoryUsage.rss())
  })
}

/** CPU time of all threads of the process so far. */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
