import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cpuMicroseconds } from './process-cpu.ts'

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url))
/** Kept of what a shipper writes to its standard error, for the message of a failure. */
const STDERR_CHARS_MAX = 20_000

/** Writes a shipper's configuration into `directory`; gives its path. */
export function agentConfig(directory: string, config: object): string {
  const path = join(directory, 'agent.yaml')
  // JSON is YAML.
  writeFileSync(path, JSON.stringify(config))
  return path
}

export interface AgentOptions {
  readonly flags?: readonly string[]
  readonly stdin?: 'ignore' | 'pipe'
  readonly environment?: Readonly<Record<string, string>>
}

/** A shipper as a process of its own, started the way a user starts it. */
export class AgentProcess {
  readonly child: ChildProcess
  /** Resolves with the exit status; null when a signal ended it. */
  readonly exited: Promise<number | null>
  #stderr = ''
  #peakBytes = 0
  #cpuMs = 0

  constructor(config: string, { flags = [], stdin = 'ignore', environment = {} }: AgentOptions = {}) {
    this.child = spawn(process.execPath, [MAIN, '--config', config, ...flags], {
      stdio: [stdin, 'ignore', 'pipe'],
      env: { ...process.env, ...environment },
    })
    // A test that dies must not leave it behind.
    const killWithUs = () => this.child.kill('SIGKILL')
    process.once('exit', killWithUs)
    this.child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_CHARS_MAX)
    })
    const meter = setInterval(() => this.measure(), 100)
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code) => {
        clearInterval(meter)
        process.off('exit', killWithUs)
        resolve(code)
      })
    })
  }

  /** The end of what it has written to its standard error. */
  get stderr(): string {
    return this.#stderr
  }

  /** Its highest resident memory, as seen so far. */
  get peakBytes(): number {
    return this.#peakBytes
  }

  /** CPU of all its threads, user and system, as seen so far. */
  get cpuMs(): number {
    return this.#cpuMs
  }

  measure(): void {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8')
      this.#peakBytes = Math.max(this.#peakBytes, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024)
      this.#cpuMs = Math.max(this.#cpuMs, cpuMicroseconds(this.child.pid!) / 1000)
    } catch {
      // It has ended.
    }
  }

  /** Has it end in order. */
  stop(): Promise<number | null> {
    this.measure()
    this.child.kill('SIGTERM')
    return this.exited
  }

  kill(): Promise<number | null> {
    this.measure()
    this.child.kill('SIGKILL')
    return this.exited
  }
}
