import type { Prng } from '../../base/prng.ts'
import { DEMO_ENVIRONMENT, type ShopFleet, type ShopService } from './shop-fleet.ts'

export type ShopLevel = 'DEBUG' | 'INFO' | 'WARN' | 'ERROR' | 'FATAL'
export type ShopFields = Readonly<Record<string, unknown>>

/** One log line of the shop and when it is written. */
export interface ShopRecord {
  readonly timeMs: number
  readonly json: string
}

/** What every part of the shop needs to write logs. */
export interface ShopContext {
  readonly random: Prng
  readonly fleet: ShopFleet
  /** Takes records in any order. */
  readonly write: (record: ShopRecord) => void
}

/** One request on its way through the services. Time passes as spans work and wait. */
export class ShopTrace {
  readonly context: ShopContext
  readonly traceId: string
  timeMs: number

  constructor(context: ShopContext, startMs: number) {
    this.context = context
    this.traceId = context.random.hex(32)
    this.timeMs = startMs
  }

  start(service: ShopService, fields: ShopFields): ShopSpan {
    return new ShopSpan(this, service, undefined, fields)
  }
}

/** The part of a trace that one service does. */
export class ShopSpan {
  readonly #trace: ShopTrace
  readonly #service: ShopService
  readonly #host: string
  readonly #spanId: string
  readonly #parentSpanId: string | undefined
  readonly #startMs: number
  readonly #fields: ShopFields

  constructor(trace: ShopTrace, service: ShopService, parentSpanId: string | undefined, fields: ShopFields) {
    this.#trace = trace
    this.#service = service
    this.#host = trace.context.fleet.anyHost(service)
    this.#spanId = trace.context.random.hex(16)
    this.#parentSpanId = parentSpanId
    this.#startMs = trace.timeMs
    this.#fields = fields
  }

  get random(): Prng {
    return this.#trace.context.random
  }

  get timeMs(): number {
    return this.#trace.timeMs
  }

  /** Since the span began, milliseconds to the hundredth. */
  get durationMs(): number {
    return Math.round((this.#trace.timeMs - this.#startMs) * 100) / 100
  }

  /** Time passes: this long, give or take a tail as real latencies have one. */
  work(typicalMs: number): void {
    this.#trace.timeMs += typicalMs * (0.5 + this.random.exponential(0.5))
  }

  /** Time passes: exactly this long. */
  wait(ms: number): void {
    this.#trace.timeMs += ms
  }

  /** Calls another service, which carries this trace and these fields on. */
  call(service: ShopService, fields: ShopFields = {}): ShopSpan {
    this.work(0.8)
    return new ShopSpan(this.#trace, service, this.#spanId, { ...this.#fields, ...fields })
  }

  log(level: ShopLevel, message: string, fields: ShopFields = {}): void {
    writeRecord(this.#trace.context, this.#trace.timeMs, this.#service, this.#host, level, message, {
      traceId: this.#trace.traceId,
      spanId: this.#spanId,
      parentSpanId: this.#parentSpanId,
      ...this.#fields,
      ...fields,
    })
    this.wait(0.02 + this.random.exponential(0.08))
  }
}

/** Writes one line as a service's logger would. */
export function writeRecord(
  context: ShopContext,
  timeMs: number,
  service: ShopService,
  host: string,
  level: ShopLevel,
  message: string,
  fields: ShopFields,
): void {
  context.write({
    timeMs,
    json: JSON.stringify({
      timestamp: timestampText(timeMs),
      level,
      service,
      host,
      message,
      ...fields,
      env: DEMO_ENVIRONMENT,
      version: context.fleet.version(service),
    }),
  })
}

/** RFC 3339 to the microsecond. */
function timestampText(timeMs: number): string {
  const wholeMs = Math.floor(timeMs)
  const micros = Math.floor((timeMs - wholeMs) * 1000)
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}Z`
}
