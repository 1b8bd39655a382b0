const MESSAGES_FIRST = 256
const NEWLINE = 0x0a

/** Messages one after the other in one buffer, with who sent each; what a listener gathers and the decoder reads. */
export class SyslogBatch {
  #buffer: Buffer
  #length = 0
  #count = 0
  /** Start of each message, and where it ends. */
  #bounds: Int32Array = new Int32Array(2 * MESSAGES_FIRST)
  #senders: string[] = []
  #cut = new Set<number>()

  constructor(bytesFirst: number) {
    this.#buffer = Buffer.allocUnsafeSlow(bytesFirst)
  }

  get count(): number {
    return this.#count
  }

  get length(): number {
    return this.#length
  }

  /** What was added; good until `clear`, or more is added. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  start(message: number): number {
    return this.#bounds[message * 2]!
  }

  end(message: number): number {
    return this.#bounds[message * 2 + 1]!
  }

  /** Address that the message came from. */
  sender(message: number): string {
    return this.#senders[message]!
  }

  /** True when only the beginning of the message is here. */
  isCut(message: number): boolean {
    return this.#cut.has(message)
  }

  /** Copies the message bytes[start, end). */
  add(bytes: Buffer, start: number, end: number, sender: string, isCut: boolean): void {
    const from = this.#length
    const to = from + end - start
    if (to >= this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(to + 1, this.#buffer.length * 2))
      this.#buffer.copy(larger, 0, 0, from)
      this.#buffer = larger
    }
    bytes.copy(this.#buffer, from, start, end)
    // So that whoever looks at the byte after a message never sees another sender's.
    this.#buffer[to] = NEWLINE
    if (this.#count * 2 === this.#bounds.length) {
      const larger = new Int32Array(this.#bounds.length * 2)
      larger.set(this.#bounds)
      this.#bounds = larger
    }
    this.#bounds[this.#count * 2] = from
    this.#bounds[this.#count * 2 + 1] = to
    this.#senders.push(sender)
    if (isCut) this.#cut.add(this.#count)
    this.#count++
    this.#length = to + 1
  }

  clear(): void {
    this.#length = 0
    this.#count = 0
    this.#senders = []
    this.#cut = new Set()
  }
}
