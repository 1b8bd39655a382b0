import { RefusedFailure, UnreachableFailure } from './failures.ts'
import type { NodeClient, Parameters } from './node-client.ts'

const LOG_BEGIN = '{"type":"log","log":'
/** A node says something every 15 s. */
const SILENCE_MS_MAX = 45_000
/** Ids of records behind the last cursor, of which a node tells four times a second. */
const RECENT_MAX = 100_000
const EVENT_CHARS_MAX = 16 * 1024 * 1024

export interface LiveTailReader {
  /** JSON of a record each. The node waits, or leaves records out, until it resolves. */
  logs(lines: readonly string[]): Promise<void>
  /** So many matched and were left out. */
  dropped(count: number): void
  /** The connection stands. */
  began(): void
}

/** Server-sent events of GET /v1/logs/tail (docs/tail.md), from a cursor on. */
export class LiveTail {
  readonly #client: NodeClient
  readonly #parameters: Parameters
  #cursor: string
  /** Printed behind the cursor: a connection that breaks shows them again. */
  #recent = new Set<string>()

  constructor(client: NodeClient, parameters: Parameters, cursor: string) {
    this.#client = client
    this.#parameters = parameters
    this.#cursor = cursor
  }

  /**
   * Follows until the connection ends; called again, it goes on behind what was told last. Throws RefusedFailure where the node says why it ends,
   * and UnreachableFailure where it breaks off.
   */
  async follow(reader: LiveTailReader): Promise<never> {
    const answer = await this.#client.open('/v1/logs/tail', {
      parameters: { ...this.#parameters, cursor: this.#cursor },
      headers: { accept: 'text/event-stream' },
      silenceMsMax: SILENCE_MS_MAX,
    })
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of this.#client.chunks(answer)) {
      rest += decoder.decode(chunk, { stream: true })
      const events = rest.split('\n\n')
      rest = events.pop() ?? ''
      if (rest.length > EVENT_CHARS_MAX) throw new UnreachableFailure('an event of the tail is too large')
      await this.#take(events, reader)
    }
    throw new UnreachableFailure(`the tail of ${this.#client.url.origin} ended`)
  }

  async #take(events: readonly string[], reader: LiveTailReader): Promise<void> {
    let lines: string[] = []
    const print = async () => {
      const printed = lines
      lines = []
      if (printed.length > 0) await reader.logs(printed)
    }
    for (const event of events) {
      const data = fieldOf(event, 'data')
      if (data?.startsWith(LOG_BEGIN)) {
        const line = data.slice(LOG_BEGIN.length, -1)
        if (this.#isNew(line)) lines.push(line)
      } else if (data !== undefined) {
        await print()
        this.#hear(JSON.parse(data) as Said, reader)
      }
      // The begin of a connection is where we are; what was printed behind it comes again.
      const id = data === undefined ? fieldOf(event, 'id') : undefined
      if (id === undefined) continue
      await print()
      this.#cursor = id
      this.#recent.clear()
    }
    await print()
  }

  #hear({ type, count = 0, ...problem }: Said, reader: LiveTailReader): void {
    if (type === 'subscribed') reader.began()
    if (type === 'dropped') reader.dropped(count)
    if (type !== 'error') return
    if (problem.cursor !== undefined) {
      this.#cursor = problem.cursor
      this.#recent.clear()
    }
    if (problem.retryable) throw new UnreachableFailure(problem.detail ?? 'the node ended the tail')
    throw new RefusedFailure(problem.status ?? 500, problem)
  }

  #isNew(line: string): boolean {
    const id = /^\{"id":"([^"]+)"/.exec(line)?.[1]
    if (id === undefined) return true
    if (this.#recent.has(id)) return false
    if (this.#recent.size < RECENT_MAX) this.#recent.add(id)
    return true
  }
}

interface Said {
  readonly type: string
  readonly count?: number
  readonly cursor?: string
  readonly status?: number
  readonly code?: string
  readonly detail?: string
  readonly retryable?: boolean
}

/** Of an event, which has each field once. */
function fieldOf(event: string, name: string): string | undefined {
  for (const line of event.split('\n')) if (line.startsWith(`${name}: `)) return line.slice(name.length + 2)
  return undefined
}
