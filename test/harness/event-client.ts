import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { TailMessage } from './tail-client.ts'
import { waitUntil } from './weir-client.ts'

/** A client of server-sent events: what an EventSource makes of them. */
export class EventClient {
  readonly messages: TailMessage[] = []
  lastEventId = ''
  hasEnded = false
  readonly status: number
  readonly headers: IncomingMessage['headers']
  /** Of an answer that is no stream of events. */
  text = ''
  readonly #request: ClientRequest
  #rest = ''

  private constructor(made: ClientRequest, response: IncomingMessage) {
    this.#request = made
    this.status = response.statusCode!
    this.headers = response.headers
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#take(text))
    response.on('close', () => {
      this.hasEnded = true
    })
    response.on('error', () => undefined)
  }

  /** Resolves with the header fields of the answer, whatever its status. */
  static open(url: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<EventClient> {
    return new Promise((resolve, reject) => {
      const made = request(url + path, { headers: { accept: 'text/event-stream', ...headers }, agent: false })
      made.on('response', (response) => resolve(new EventClient(made, response)))
      made.on('error', reject)
      made.end()
    })
  }

  get uids(): readonly string[] {
    return this.messages.filter(({ type }) => type === 'log').map(({ log }) => String(log.uid))
  }

  async hasLogs(count: number): Promise<void> {
    await waitUntil(
      () => this.uids.length >= count,
      () => `${count} records come; ${this.uids.length} have`,
    )
  }

  close(): void {
    this.#request.destroy()
  }

  #take(text: string): void {
    this.text += text
    const events = (this.#rest + text).split('\n\n')
    this.#rest = events.pop()!
    for (const event of events) {
      for (const line of event.split('\n')) {
        if (line.startsWith('id: ')) this.lastEventId = line.slice(4)
        if (line.startsWith('data: ')) this.messages.push(JSON.parse(line.slice(6)) as TailMessage)
      }
    }
  }
}
