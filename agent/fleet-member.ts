import { readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Backoff } from '../base/backoff.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger, LogLevel } from '../base/logger.ts'
import type { AgentCounts } from './agent-metrics.ts'
import type { NodeAnswer, NodeRequest, NodeTarget } from './node-target.ts'
import type { Spool } from './spool.ts'

/** What nodes may set; see the contract of `/v1/agents/{id}/config`. */
export interface RemoteConfig {
  readonly isPaused?: boolean
  readonly logLevel?: LogLevel
  readonly batchBytesMax?: number
  readonly batchLingerMs?: number
}

export interface FleetMemberOptions {
  readonly directory: string
  readonly targets: readonly NodeTarget[]
  readonly clock: Clock
  readonly logger: Logger
  readonly counts: AgentCounts
  readonly spool: Spool
  /** A key with the role `enrol`. */
  readonly enrolKey: string
  readonly organization: string
  readonly environment: string | undefined
  readonly host: string
  readonly version: string
  readonly heartbeatMs: number
  /** Takes over what nodes have set. */
  readonly apply: (config: RemoteConfig) => void
}

/** What is kept from one start to the next. */
interface Membership {
  readonly clientId: string
  readonly token: string
  readonly expiresMs: number
  readonly config: { readonly version: number; readonly config: RemoteConfig }
}

const FILE = 'membership.json'
const RETRY = { firstMs: 500, maxMs: 60_000, factor: 2 }
/** A token that has less left is not begun with. */
const LEFT_MIN_MS = 60_000

/**
 * This shipper as one of the fleet: it registers itself with the enrol key, renews its token with its heartbeats, and takes over what the nodes have set for it.
 * Nodes that do not answer hold up nothing but the first registration.
 */
export class FleetMember {
  readonly #options: FleetMemberOptions
  readonly #startedMs: number
  #membership: Membership | undefined
  #registering: Promise<void> | undefined

  constructor(options: FleetMemberOptions) {
    this.#options = options
    this.#startedMs = options.clock.monotonicMs()
    this.#membership = readMembership(join(options.directory, FILE))
    if (this.#membership !== undefined) options.apply(this.#membership.config.config)
  }

  /** The credential for ingest; undefined before the first registration. */
  get authorization(): string | undefined {
    return this.#membership === undefined ? undefined : `Bearer ${this.#membership.token}`
  }

  /** Resolves when there is a token that is good as far as is known. Rejects when `signal` aborts. */
  async ready(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    if (this.#membership !== undefined && this.#membership.expiresMs - clock.nowMs() > LEFT_MIN_MS) return
    await this.register(signal)
  }

  /** Registers, again where it is known; tries until it succeeds. Rejects when `signal` aborts. */
  register(signal: AbortSignal): Promise<void> {
    this.#registering ??= this.#register(signal).finally(() => {
      this.#registering = undefined
    })
    return this.#registering
  }

  /** Sends heartbeats until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, heartbeatMs, logger } = this.#options
    try {
      await this.ready(signal)
      for (;;) {
        await this.#heartbeat(signal).catch((error: unknown) => {
          signal.throwIfAborted()
          logger.warn('no node heard a heartbeat of this shipper', { error })
        })
        await clock.sleep(heartbeatMs * (0.9 + 0.2 * clock.random()), signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { clock, logger, enrolKey, organization, environment, host, version } = this.#options
    const backoff = new Backoff(clock, RETRY)
    for (;;) {
      const body = {
        organizationName: organization,
        agentVersion: version,
        host,
        ...(environment === undefined ? {} : { environment }),
        ...(this.#membership === undefined ? {} : { clientId: this.#membership.clientId }),
      }
      try {
        const answer = await this.#ask('POST', '/v1/agents/register', `Bearer ${enrolKey}`, body, signal)
        if (answer.status === 201) {
          await this.#keepToken(JSON.parse(answer.text))
          logger.info('registered', { clientId: this.#membership?.clientId })
          return
        }
        logger.error('the nodes do not register this shipper', {
          status: answer.status,
          answer: answer.text.slice(0, 500),
        })
      } catch (error) {
        signal.throwIfAborted()
        logger.warn('no node could register this shipper', { error })
      }
      await clock.sleep(backoff.nextMs(), signal)
    }
  }

  async #heartbeat(signal: AbortSignal): Promise<void> {
    const { counts, spool, clock, host, version } = this.#options
    const { clientId, config } = this.#membership!
    const body = {
      host,
      agentVersion: version,
      configVersion: config.version,
      uptimeSeconds: Math.floor((clock.monotonicMs() - this.#startedMs) / 1000),
      linesRead: counts.linesRead,
      recordsDelivered: counts.recordsDelivered,
      recordsRejected: counts.recordsRejected,
      bytesSent: counts.bytesSent,
      failedRequests: counts.failedRequests,
      spoolBytes: spool.bytes,
      spoolBatches: spool.length,
      ...(counts.lastError === '' ? {} : { lastError: counts.lastError.slice(0, 1000) }),
    }
    const answer = await this.#ask('POST', `/v1/agents/${clientId}/heartbeat`, this.authorization!, body, signal)
    if (answer.status === 401 || answer.status === 404) {
      await this.register(signal)
      return
    }
    if (answer.status !== 200) throw new Error(`the answer was ${answer.status}`)
    const told = JSON.parse(answer.text) as { configVersion: number; token?: string; tokenTTL?: number }
    if (told.token !== undefined && told.tokenTTL !== undefined) {
      await this.#keepToken({ clientId, token: told.token, tokenTTL: told.tokenTTL })
    }
    if (told.configVersion !== this.#membership!.config.version) await this.#fetchConfig(signal)
  }

  async #fetchConfig(signal: AbortSignal): Promise<void> {
    const { apply, logger } = this.#options
    const path = `/v1/agents/${this.#membership!.clientId}/config`
    const answer = await this.#ask('GET', path, this.authorization!, undefined, signal)
    if (answer.status !== 200) throw new Error(`the configuration was answered with ${answer.status}`)
    const config = JSON.parse(answer.text) as Membership['config']
    await this.#keep({ ...this.#membership!, config })
    apply(config.config)
    logger.info('took over a configuration', { version: config.version })
  }

  /** The answer of the first node that gives one. */
  async #ask(
    method: NodeRequest['method'],
    path: string,
    authorization: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<NodeAnswer> {
    const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    let failure: unknown
    for (const target of this.#options.targets) {
      try {
        const request = {
          method,
          path,
          headers,
          ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
        }
        const answer = await target.ask(request, signal)
        if (answer.status < 500 && answer.status !== 429) return answer
        failure = new Error(`${target.url.origin} answered ${answer.status}`)
      } catch (error) {
        signal.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  #keepToken({ clientId, token, tokenTTL }: { clientId: string; token: string; tokenTTL: number }): Promise<void> {
    const config = this.#membership?.config ?? { version: 0, config: {} }
    return this.#keep({ clientId, token, expiresMs: this.#options.clock.nowMs() + tokenTTL * 1000, config })
  }

  async #keep(membership: Membership): Promise<void> {
    this.#membership = membership
    const path = join(this.#options.directory, FILE)
    const file = await open(`${path}.new`, 'w', 0o600)
    try {
      await file.writeFile(JSON.stringify(membership))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.new`, path)
  }
}

/** Undefined where there is none, or none that can be read: then it registers as a new one. */
function readMembership(path: string): Membership | undefined {
  try {
    const membership = JSON.parse(readFileSync(path, 'utf8')) as Membership
    return typeof membership.token === 'string' && typeof membership.clientId === 'string' ? membership : undefined
  } catch {
    return undefined
  }
}
