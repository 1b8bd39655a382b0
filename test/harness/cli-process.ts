import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../node/main.ts', import.meta.url))
const DEADLINE_MS = 60_000
/** Of the terminal that a command is given. */
const TTY_COLUMNS = 120

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Given to it as standard input, which then ends. Without it: none. */
  readonly input?: string | Uint8Array
}

export interface CliEnd {
  readonly status: number | null
  readonly out: string
  readonly error: string
}

/** A command of `weir` as a process of its own, with pipes. */
export class CliProcess {
  readonly child: ChildProcess
  /** Exact bytes of both streams so far. */
  readonly #out: Buffer[] = []
  readonly #error: Buffer[] = []
  readonly #exited: Promise<number | null>

  private constructor(child: ChildProcess) {
    this.child = child
    const killWithUs = () => child.kill('SIGKILL')
    process.once('exit', killWithUs)
    // A command that hangs fails its test by its missing exit status.
    const deadline = setTimeout(killWithUs, DEADLINE_MS)
    child.stdout?.on('data', (chunk: Buffer) => this.#out.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => this.#error.push(chunk))
    child.stdin?.on('error', () => undefined) // it ended without reading all
    this.#exited = once(child, 'close').then(([code]) => {
      clearTimeout(deadline)
      process.off('exit', killWithUs)
      return code as number | null
    })
  }

  static start(argv: readonly string[], { env = {}, cwd, input }: CliOptions = {}): CliProcess {
    const child = spawn(process.execPath, [MAIN, ...argv], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: environment(env),
      ...(cwd === undefined ? {} : { cwd }),
    })
    return new CliProcess(child)
  }

  /** On a terminal: all that it writes is `out`; what is written to its stdin is typed. */
  static onTty(argv: readonly string[], { env = {}, cwd }: CliOptions = {}): CliProcess {
    const command = [process.execPath, MAIN, ...argv].map(quoted).join(' ')
    const child = spawn('script', ['-qefc', `stty cols ${TTY_COLUMNS} rows 50; exec ${command}`, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environment({ TERM: 'xterm-256color', ...env }),
      ...(cwd === undefined ? {} : { cwd }),
    })
    return new CliProcess(child)
  }

  /** Runs one to its end. */
  static async run(argv: readonly string[], options: CliOptions = {}): Promise<CliEnd> {
    const cli = CliProcess.start(argv, options)
    if (options.input !== undefined) cli.child.stdin!.end(options.input)
    return cli.end()
  }

  static async runOnTty(argv: readonly string[], options: CliOptions = {}): Promise<CliEnd> {
    return CliProcess.onTty(argv, options).end()
  }

  get out(): string {
    return Buffer.concat(this.#out).toString()
  }

  get error(): string {
    return Buffer.concat(this.#error).toString()
  }

  /** Writes to its standard input. */
  type(text: string): void {
    this.child.stdin!.write(text)
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  async end(): Promise<CliEnd> {
    const status = await this.#exited
    return { status, out: this.out, error: this.error }
  }
}

/** None of ours is to reach a command by chance. */
function environment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(?:WEIR_|NO_COLOR$|FORCE_COLOR$)/.test(name))
  return { ...Object.fromEntries(kept), ...env }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
