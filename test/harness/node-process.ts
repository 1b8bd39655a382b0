import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { SocketPorts } from '../../node/socket-ports.ts'
import { cpuMicroseconds } from './process-cpu.ts'

const MAIN = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
/** Kept of what a node writes to its standard error, for the message of a failure. */
const STDERR_CHARS_MAX = 20_000

/** Nodes of several tests run at once. */
const QUIET = { 'http.port': 0, 'syslog.port': -1, 'forward.port': -1, 'otlpGrpc.port': -1, 'log.level': 'warn' }

interface ReadyLine {
  readonly event: string
  readonly url: string
  readonly ports: SocketPorts
}

/** Settings of a node by key, such as {'data.dir': '/tmp/x'}. */
export type NodeSettings = Readonly<Record<string, string | number | boolean>>

export interface NodeOptions {
  /** Before the command, such as `ip netns exec x`; it must become the node and not start it. */
  readonly wrapper?: readonly string[]
  /** Instead of `start`. */
  readonly command?: 'restore'
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Shows the node's standard error as it comes; else it is kept and told when the node fails. */
  readonly showErrors?: boolean
  /** Where all of it is added to a file as well. */
  readonly errorsFile?: string
}

/** A node that may not be ready yet. */
export interface StartingNode {
  readonly ready: Promise<NodeProcess>
  kill(): Promise<void>
}

/** A node as a process of its own, started the way a user starts it. */
export class NodeProcess {
  readonly url: string
  /** Ports beside that of HTTP; -1 for none. */
  readonly ports: SocketPorts
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>
  readonly #stderr: () => string
  readonly #temporary: string | undefined

  private constructor(run: Run, { url, ports }: ReadyLine, temporary: string | undefined) {
    this.#child = run.child
    this.#exited = run.exited
    this.#stderr = run.stderr
    this.#temporary = temporary
    this.url = url
    this.ports = ports
  }

  /** Resolves once the node is ready. Without `data.dir` it has a directory of its own, removed when the node has ended. */
  static start(settings: NodeSettings, options: NodeOptions = {}): Promise<NodeProcess> {
    return NodeProcess.begin(settings, options).ready
  }

  /** The same, for who does not wait until it is ready. */
  static begin(settings: NodeSettings, options: NodeOptions = {}): StartingNode {
    const temporary = settings['data.dir'] === undefined ? mkdtempSync(join(tmpdir(), 'weir-node-')) : undefined
    const own = temporary === undefined ? {} : { 'data.dir': temporary }
    const run = launch({ ...QUIET, ...own, ...settings }, options)
    const lines = createInterface({ input: run.child.stdout! })
    const isReady = new Promise<ReadyLine>((resolve) => {
      lines.on('line', (line) => {
        const event = JSON.parse(line) as ReadyLine
        if (event.event === 'ready') resolve(event)
      })
    })
    const died = run.exited.then((code) => {
      if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
      throw new Error(`the node ended with ${code} before it was ready\n${run.stderr()}`)
    })
    const ready = Promise.race([isReady, died]).then((line) => new NodeProcess(run, line, temporary))
    ready.catch(() => undefined) // whoever waits for it hears of it
    return {
      ready,
      async kill() {
        run.child.kill('SIGKILL')
        await run.exited
      },
    }
  }

  get pid(): number {
    return this.#child.pid!
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** The end of what it has written to its standard error so far. */
  get stderr(): string {
    return this.#stderr()
  }

  /** Resolves with the exit status when the process has ended; null when a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited
  }

  /** CPU that the process has used, all threads, user and system, in microseconds. */
  cpuMicroseconds(): number {
    return cpuMicroseconds(this.pid)
  }

  /** Resident memory in bytes: now, the highest since the start, and what of it now is no page of a file, which the kernel could take back. */
  memory(): { readonly rss: number; readonly peak: number; readonly anonymous: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
    const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) * 1024
    return { rss: kib('VmRSS'), peak: kib('VmHWM'), anonymous: kib('RssAnon') }
  }

  signal(signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal)
  }

  /** Drains it; resolves with the exit status. */
  stop(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    this.#child.kill(signal)
    const status = await this.#exited
    if (this.#temporary !== undefined) rmSync(this.#temporary, { recursive: true, force: true })
    return status
  }
}

export interface EndedNode {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts a node that is expected to end by itself, such as one whose settings are refused. */
export async function runNodeToEnd(settings: NodeSettings, options: NodeOptions = {}): Promise<EndedNode> {
  const run = launch(settings, options)
  let stdout = ''
  run.child.stdout!.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  const status = await run.exited
  return { status, stdout, stderr: run.stderr() }
}

interface Run {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
  readonly stderr: () => string
}

function launch(settings: NodeSettings, options: NodeOptions): Run {
  const { command = 'start', wrapper = [], nodeFlags = [], environment = {}, showErrors = false, errorsFile } = options
  const flags = Object.entries(settings).map(([key, value]) => `--${key}=${value}`)
  const [program, ...args] = [...wrapper, process.execPath, ...nodeFlags, MAIN, command, ...flags]
  const child = spawn(program!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  // A test that dies must not leave its node behind.
  const killWithUs = () => child.kill('SIGKILL')
  process.once('exit', killWithUs)
  let stderr = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    if (showErrors) process.stderr.write(chunk)
    if (errorsFile !== undefined) appendFileSync(errorsFile, chunk)
    stderr = (stderr + chunk.toString()).slice(-STDERR_CHARS_MAX)
  })
  // `close`, not `exit`: only then all that it wrote has been read.
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      process.off('exit', killWithUs)
      resolve(code)
    })
  })
  return { child, exited, stderr: () => stderr }
}
