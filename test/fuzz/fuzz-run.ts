import assert from 'node:assert/strict'
import { systemClock } from '../../base/clock.ts'
import { Prng } from '../../base/prng.ts'
import { NodeProcess } from '../harness/node-process.ts'
import { WeirClient } from '../harness/weir-client.ts'
import { Doors } from './doors.ts'
import { mutated } from './mutation.ts'
import type { FuzzRecord, FuzzTarget } from './targets.ts'

const MIB = 1024 * 1024
/** Requests that are on their way at once. */
const LANES = 4
/** A real request follows so many mutated ones. */
const GOOD_EVERY = 20
/** That no page of a file is; twice what an idle node of one worker has. */
const MEMORY_BYTES_MAX = 700 * MIB
const GOOD_SERVICE = 'neighbour'
/** Of gRPC: UNKNOWN, INTERNAL, DATA_LOSS. */
const GRPC_FAULTS: ReadonlySet<number> = new Set([2, 13, 15])

export interface FuzzOptions {
  readonly seed: string
  /** The run ends with whichever comes first. */
  readonly casesMax: number
  readonly untilMs: number
  /** This case only. */
  readonly only?: number
}

/** A node whose doors are fuzzed. */
export class FuzzedNode {
  readonly #node: NodeProcess
  readonly #client: WeirClient
  readonly #doors: Doors

  private constructor(node: NodeProcess) {
    this.#node = node
    this.#client = new WeirClient(node.url)
    this.#doors = new Doors(node)
  }

  static async start(): Promise<FuzzedNode> {
    const ports = { 'syslog.port': 0, 'forward.port': 0, 'otlpGrpc.port': 0 }
    return new FuzzedNode(await NodeProcess.start({ workers: 1, shards: 4, 'log.level': 'error', ...ports }))
  }

  async stop(): Promise<void> {
    this.#doors.close()
    this.#client.close()
    assert.equal(await this.#node.stop(), 0, this.#node.stderr)
  }

  /** What the node holds that is no page of a file, bytes. */
  get memoryBytes(): number {
    return this.#node.memory().anonymous
  }

  /**
   * Sends mutated requests by one door; gives how many. Throws, and names the seed and the case, when the node dies, does not answer, finds an error of its own,
   * loses or doubles a real record, or takes too much memory.
   */
  async fuzz(target: FuzzTarget, options: FuzzOptions): Promise<number> {
    const run = `${options.seed}-${target.name}`
    const good: string[] = []
    let next = options.only ?? 0
    let sent = 0
    const lane = async () => {
      while (next < options.casesMax && systemClock.monotonicMs() < options.untilMs) {
        const number = next++
        try {
          await this.#sendCase(target, `${run}-${number}`)
          if (number % GOOD_EVERY === 0) good.push(await this.#sendGood(target, `${run}-good-${number}`))
        } catch (error) {
          const again = `--protocol ${target.name} --seed ${options.seed} --case ${number}`
          throw new Error(`npm run fuzz -- ${again}: ${(error as Error).message}\n${this.#node.stderr}`, {
            cause: error,
          })
        }
        sent++
        if (options.only !== undefined) return
      }
    }
    const outcomes = await Promise.allSettled(Array.from({ length: options.only === undefined ? LANES : 1 }, lane))
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    await this.#isWell(target, run, good)
    return sent
  }

  async #sendCase(target: FuzzTarget, name: string): Promise<void> {
    const prng = new Prng(name)
    const [first, second] = [0, 1].map((n) =>
      target.encode(records(`${name}-${n}`, 'fuzzed', prng.between(1, 5), prng)),
    )
    const body = framed(target, mutated(first!, second!, prng))
    const wrapped = target.wrap?.(body, prng) ?? { body }
    // Of a tenant of its own, where the protocol can say so.
    const headers = { ...wrapped.headers, 'x-scope-orgid': 'fuzzed' }
    const { status, text } = await this.#doors.send(target, wrapped.body, headers)
    const isFault = target.door.kind === 'grpc' ? GRPC_FAULTS.has(status!) : status !== undefined && status >= 500
    assert.ok(!isFault, `answered ${status}: ${text.slice(0, 300)}`)
  }

  /** A real request, whose record must be there in the end, once. */
  async #sendGood(target: FuzzTarget, name: string): Promise<string> {
    const [record] = records(name, GOOD_SERVICE, 1, new Prng(name))
    const { status, text } = await this.#doors.send(target, framed(target, target.encode([record!])))
    const isTaken = status === undefined || (status === (target.door.kind === 'grpc' ? 0 : status) && status < 300)
    assert.ok(isTaken, `a real request is answered ${status}: ${text.slice(0, 300)}`)
    return record!.message
  }

  async #isWell(target: FuzzTarget, run: string, good: readonly string[]): Promise<void> {
    const messages = await this.#goodMessages(run, good.length)
    assert.deepEqual(messages, [...good].sort(), `real records by ${target.name}`)
    assert.ok(this.memoryBytes < MEMORY_BYTES_MAX, `${target.name}: the node has ${this.memoryBytes} bytes`)
    assert.doesNotMatch(this.#node.stderr, /"level":(?:50|60)|Error:/, target.name)
  }

  async #goodMessages(run: string, count: number): Promise<string[]> {
    if (count === 0) return []
    const mark = markOf(run)
    const found: string[] = []
    // Oldest first by pages, as there may be many.
    await this.#client.found(count, { query: mark, limit: 1 })
    let cursor: string | null = null
    do {
      const wanted = { query: mark, from: 0, to: 'now+1h', limit: 1000, fields: 'message' }
      const page: { logs: { message: string }[]; nextCursor: string | null } = await this.#client.search(
        cursor === null ? wanted : { ...wanted, cursor },
      )
      found.push(...page.logs.map(({ message }) => message))
      cursor = page.nextCursor
    } while (cursor !== null)
    return found.sort()
  }
}

function framed(target: FuzzTarget, body: Buffer): Buffer {
  return target.frame?.(body) ?? body
}

/** A word by which the real records of a run are found. */
function markOf(run: string): string {
  return `mark${new Prng(run).hex(16)}`
}

function records(name: string, service: string, count: number, prng: Prng): FuzzRecord[] {
  const mark = service === GOOD_SERVICE ? markOf(name.replace(/-good-\d+$/, '')) : 'mutated'
  return Array.from({ length: count }, (_, i) => ({
    uid: `${name}-${i}`,
    service,
    message: `${mark} ${name} ${i} "quoted" ü ${prng.hex(prng.pick([4, 40, 400]))}`,
    timeMs: systemClock.nowMs() - prng.below(60_000),
  }))
}
