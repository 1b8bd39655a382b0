import { Prng } from '../base/prng.ts'

/** Makes NDJSON of a fleet of services, seeded: about 350 bytes a record, 11 fields, random ids from a strong generator. */
export interface DatasetOptions {
  readonly seed: number
  readonly services: number
  /** Time of the first record, ms since the epoch. */
  readonly startMs: number
  /** Records per millisecond of log time. */
  readonly perMs: number
  /** Share of records whose time is up to an hour earlier. */
  readonly lateShare: number
  /** Further random fields a record. */
  readonly extraFields: number
  /** Share of records that carry a stack trace. */
  readonly stackShare: number
}

export const DATASET_DEFAULT: DatasetOptions = {
  seed: 1,
  services: 12,
  startMs: 0,
  perMs: 1,
  lateShare: 0,
  extraFields: 0,
  stackShare: 0,
}

const SERVICE_NAMES = [
  'checkout',
  'payment',
  'inventory',
  'catalog',
  'cart',
  'shipping',
  'auth',
  'search',
  'email',
  'gateway',
  'pricing',
  'fraud',
]
const REGIONS = ['eu-west-1', 'eu-central-1', 'us-east-1', 'us-west-2', 'ap-south-1']
const METHODS = ['GET', 'POST', 'PUT', 'DELETE']
const PATHS = ['/api/orders', '/api/cart', '/api/users', '/api/payments', '/health', '/api/products']
const STATUSES = [200, 200, 200, 200, 201, 204, 301, 400, 401, 404, 500, 503]
const HEX = '0123456789abcdef'

export class Dataset {
  readonly #options: DatasetOptions
  readonly #random: Prng
  readonly #services: string[]
  #made = 0

  constructor(options: Partial<DatasetOptions>) {
    this.#options = { ...DATASET_DEFAULT, ...options }
    this.#random = new Prng(this.#options.seed)
    this.#services = Array.from(
      { length: this.#options.services },
      (_, i) => SERVICE_NAMES[i] ?? `service-${String(i).padStart(4, '0')}`,
    )
  }

  /** Records made so far. */
  get made(): number {
    return this.#made
  }

  /** `count` records, a line each, with a final newline. */
  lines(count: number): string {
    const lines: string[] = []
    for (let i = 0; i < count; i++) lines.push(this.#record())
    return `${lines.join('\n')}\n`
  }

  #record(): string {
    const { startMs, perMs, lateShare, extraFields, stackShare } = this.#options
    const n = this.#made++
    let timeMs = startMs + n / perMs
    if (lateShare > 0 && this.#random.random() < lateShare) timeMs -= this.#random.random() * 3_600_000
    const service = this.#random.pick(this.#services)
    const draw = this.#random.random()
    const level = draw < 0.7 ? 'INFO' : draw < 0.85 ? 'DEBUG' : draw < 0.95 ? 'WARN' : 'ERROR'
    const latency = Math.floor(this.#random.random() ** 4 * 3000)
    const message = this.#message(level, latency)
    let record =
      `{"timestamp":"${new Date(timeMs).toISOString()}","level":"${level}","service":"${service}",` +
      `"host":"${service}-${this.#random.below(8)}","message":"${message}","traceId":"${this.#hex(32)}",` +
      `"spanId":"${this.#hex(16)}","latency_ms":${latency},"status":${this.#random.pick(STATUSES)},` +
      `"metadata":{"userId":"u_${this.#random.below(1_000_000)}","region":"${this.#random.pick(REGIONS)}"}`
    for (let i = 0; i < extraFields; i++) record += `,"field_${i}":"${this.#hex(8)}"`
    if (stackShare > 0 && this.#random.random() < stackShare) record += `,"stack":"${this.#stack()}"`
    return `${record}}`
  }

  #message(level: string, latency: number): string {
    if (level === 'ERROR') {
      return this.#random.random() < 0.5
        ? `gateway timeout after ${latency}ms calling stripe, attempt ${1 + this.#random.below(3)} of 3, giving up`
        : `failed to reserve stock for order ${this.#random.below(10_000_000)}: connection refused by 10.0.${this.#random.below(256)}.${this.#random.below(256)}:5432`
    }
    if (level === 'WARN') return `slow query took ${latency}ms on table orders, rows=${this.#random.below(50_000)}`
    return `${this.#random.pick(METHODS)} ${this.#random.pick(PATHS)}/${this.#random.below(10_000_000)} completed in ${latency}ms bytes=${this.#random.below(90_000)}`
  }

  #stack(): string {
    let text = 'java.lang.IllegalStateException: no route'
    for (let i = 0; i < 20; i++)
      text += `\\n\\tat com.shop.service${this.#random.below(50)}.Handler.handle(Handler.java:${this.#random.below(900)})`
    return text
  }

  #hex(length: number): string {
    let text = ''
    for (let i = 0; i < length; i++) text += HEX[this.#random.below(16)]
    return text
  }
}
