import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../node/main.ts', import.meta.url))
/** Kernel clock ticks a second of /proc/<pid>/stat; 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** A node as a process of its own, started the way a user starts it. */
export class NodeProcess {
  readonly url: string
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>

  private constructor(child: ChildProcess, url: string, exited: Promise<number | null>) {
    this.#child = child
    this.url = url
    this.#exited = exited
  }

  /** Resolves once the node is ready. `settings` are flags such as {'data.dir': '/tmp/x'}; `nodeFlags` go to Node itself. */
  static async start(settings: Record<string, string>, nodeFlags: readonly string[] = []): Promise<NodeProcess> {
    const flags = Object.entries(settings).map(([key, value]) => `--${key}=${value}`)
    const child = spawn(process.execPath, [...nodeFlags, MAIN, '--http.port=0', '--log.level=warn', ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    const lines = createInterface({ input: child.stdout! })
    const ready = new Promise<string>((resolve) => {
      lines.on('line', (line) => {
        const event = JSON.parse(line) as { event: string; url: string }
        if (event.event === 'ready') resolve(event.url)
      })
    })
    const url = await Promise.race([
      ready,
      exited.then((code) => Promise.reject(new Error(`the node ended with ${code} before it was ready`))),
    ])
    return new NodeProcess(child, url, exited)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** CPU that the process has used, all threads, user and system, in microseconds. */
  cpuMicroseconds(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
  }

  /** Resident memory in bytes: now, and the highest since the start. */
  memory(): { readonly rss: number; readonly peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024
    return { rss: kib('VmRSS'), peak: kib('VmHWM') }
  }

  /** Drains it; resolves with the exit status. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return this.#exited
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}
