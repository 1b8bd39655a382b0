import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { OutputClosed } from './failures.ts'

/** A stream that may be a terminal. */
export interface TtyWritable extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
}

export interface TerminalParts {
  readonly out: TtyWritable
  readonly error: TtyWritable
  readonly env: Readonly<Record<string, string | undefined>>
}

const WIDTH_DEFAULT = 80
/** Erases the line that the cursor is in. */
const CLEAR_LINE = '\r\u001b[2K'

type Color = 'red' | 'yellow' | 'green' | 'cyan' | 'magenta' | 'dim' | 'bold'
const CODES: Readonly<Record<Color, readonly [number, number]>> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  magenta: [35, 39],
  cyan: [36, 39],
  dim: [2, 22],
  bold: [1, 22],
}
export type Paint = (text: string, ...colors: readonly Color[]) => string

/** Standard output and error of a command. Output waits for its reader; messages and progress go to the error stream. */
export class Terminal {
  readonly #out: TtyWritable
  readonly #error: TtyWritable
  readonly #env: TerminalParts['env']
  #color: 'auto' | 'always' | 'never' = 'auto'
  #isClosed = false
  #status = ''

  constructor({ out, error, env }: TerminalParts) {
    this.#out = out
    this.#error = error
    this.#env = env
    out.on('error', () => {
      this.#isClosed = true
    })
    // Who closes the stream of our messages does not want them.
    error.on('error', () => undefined)
  }

  get outIsTty(): boolean {
    return this.#out.isTTY === true
  }

  /** Progress can be shown. */
  get errorIsTty(): boolean {
    return this.#error.isTTY === true && this.#env.TERM !== 'dumb'
  }

  /** Columns of the terminal. */
  get width(): number {
    return this.#out.columns || this.#error.columns || WIDTH_DEFAULT
  }

  set color(when: 'auto' | 'always' | 'never') {
    this.#color = when
  }

  get paint(): Paint {
    return this.#paints(this.#out) ? painted : unpainted
  }

  get paintError(): Paint {
    return this.#paints(this.#error) ? painted : unpainted
  }

  /** Resolves when the reader took it. Throws OutputClosed when there is none any more. */
  async write(text: string | Uint8Array): Promise<void> {
    if (text.length === 0) return
    this.#hideStatus()
    if (!this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#out.write(text, () => resolve())
      })
      // The error event comes after the callback.
      if (!this.#isClosed && this.#out.errored) this.#isClosed = true
    }
    if (this.#isClosed) throw new OutputClosed()
    this.#showStatus()
  }

  /** A message to the user; ends its line. */
  tell(text: string): void {
    this.#hideStatus()
    this.#error.write(`${text}\n`)
    this.#showStatus()
  }

  /** What goes on, in one line that the next call replaces; nothing where the error stream is no terminal. */
  status(text: string): void {
    if (!this.errorIsTty) return
    this.#status = text
    this.#error.write(CLEAR_LINE + text)
  }

  endStatus(): void {
    this.#hideStatus()
    this.#status = ''
  }

  /** Resolves when all messages are written. */
  async flush(): Promise<void> {
    this.endStatus()
    if (this.#error.writableLength > 0) await once(this.#error, 'drain').catch(() => undefined)
  }

  #hideStatus(): void {
    if (this.#status !== '') this.#error.write(CLEAR_LINE)
  }

  #showStatus(): void {
    if (this.#status !== '') this.#error.write(this.#status)
  }

  #paints(stream: TtyWritable): boolean {
    if (this.#color !== 'auto') return this.#color === 'always'
    return stream.isTTY === true && !this.#env.NO_COLOR && this.#env.TERM !== 'dumb'
  }
}

const painted: Paint = (text, ...colors) =>
  colors.reduce((inner, color) => `\u001b[${CODES[color][0]}m${inner}\u001b[${CODES[color][1]}m`, text)
const unpainted: Paint = (text) => text
