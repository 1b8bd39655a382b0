import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { S3Options } from '../../storage/object-store/s3.ts'

const PROCESS = fileURLToPath(new URL('./s3-server-process.ts', import.meta.url))

/** A real S3 server as a process of its own, on loopback; its objects outlive it until `remove`. */
export class S3Server {
  readonly #directory: string
  #child: ChildProcess | undefined
  #port = 0

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async start(): Promise<S3Server> {
    const server = new S3Server(mkdtempSync(join(tmpdir(), 'weir-s3-')))
    await server.restart()
    return server
  }

  /** The same after `restart`. */
  get port(): number {
    return this.#port
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Multipart uploads that were neither completed nor given up. */
  get openUploads(): number {
    return readdirSync(join(this.#directory, '_multipart')).length
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await ended
  }

  /** It accepts connections, and says nothing. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** With the objects that it had. */
  async restart(): Promise<void> {
    await this.kill()
    const child = spawn(process.execPath, [PROCESS, this.#directory, String(this.#port)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    const killWithUs = () => child.kill('SIGKILL')
    process.once('exit', killWithUs)
    child.once('exit', () => process.off('exit', killWithUs))
    this.#port = await new Promise<number>((resolve, reject) => {
      createInterface({ input: child.stdout! }).once('line', (line) => resolve(Number(line)))
      child.once('exit', (code) => reject(new Error(`the S3 server ended with ${code}`)))
    })
  }

  /** Ends it and forgets its objects. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** How to reach an S3 server of the harness; `bucket` is made when it is absent. */
export function s3OptionsAt(endpoint: string, bucket: string): Omit<S3Options, 'clock'> {
  return {
    bucket,
    prefix: '',
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    createBucket: true,
  }
}
