import { DEMO_ENVIRONMENT, SHOP_SERVICES, type ShopService } from './shop-fleet.ts'
import type { Incident, IncidentKind, ShopIncidents } from './shop-incidents.ts'
import { type ShopContext, type ShopFields, type ShopLevel, writeRecord } from './shop-trace.ts'

const DEPLOY_EVERY_MS = 9 * 60_000
const BROKEN_CHECKOUT_SHARE = 0.3
const BROKEN_CHECKOUT_MS = 90_000
const HEALTH_EVERY_MS = 1000
const ROLLOUT_MS = 20_000

interface Line {
  readonly service: ShopService
  readonly level: ShopLevel
  readonly message: string
  readonly fields?: ShopFields
}

/** What the shop's people and alarms see of an incident. */
const FIRST_SIGNS: Readonly<Record<IncidentKind, Line>> = {
  paymentProviderDown: {
    service: 'payment',
    level: 'ERROR',
    message: 'circuit breaker for paywise half open: 5 timeouts in a row',
    fields: { provider: 'paywise', breaker: 'half-open' },
  },
  inventoryDatabaseSlow: {
    service: 'inventory',
    level: 'WARN',
    message: 'connection pool exhausted: 50 of 50 in use, 31 waiting',
    fields: { db: { host: 'inventory-db-1', poolSize: 50, waiting: 31 } },
  },
  searchNodeDown: {
    service: 'search',
    level: 'FATAL',
    message: 'index shard 2 lost: disk is full, leaving the cluster',
    fields: { shard: 2, diskFreeBytes: 0 },
  },
  mailRelayDown: {
    service: 'email',
    level: 'WARN',
    message: 'mail relay answers 451, deliveries are deferred',
    fields: { relay: 'smtp.mail.example', smtpCode: 451 },
  },
}

const LAST_SIGNS: Readonly<Record<IncidentKind, Line>> = {
  paymentProviderDown: {
    service: 'payment',
    level: 'INFO',
    message: 'circuit breaker for paywise closed',
    fields: { provider: 'paywise', breaker: 'closed' },
  },
  inventoryDatabaseSlow: { service: 'inventory', level: 'INFO', message: 'vacuum of table stock finished' },
  searchNodeDown: { service: 'search', level: 'INFO', message: 'index shard 2 recovered from replica' },
  mailRelayDown: { service: 'email', level: 'INFO', message: 'mail relay accepts mail again, queue drained' },
}

/** What happens without a visitor: health checks, jobs, deployments, incidents coming and going. */
export class ShopChores {
  readonly #context: ShopContext
  readonly #incidents: ShopIncidents
  #nextHealthMs: number
  #nextDeployMs: number
  #rollbackMs = Number.POSITIVE_INFINITY

  constructor(context: ShopContext, incidents: ShopIncidents, startMs: number) {
    this.#context = context
    this.#incidents = incidents
    this.#nextHealthMs = startMs
    this.#nextDeployMs = startMs + DEPLOY_EVERY_MS * context.random.random()
  }

  get isCheckoutBroken(): boolean {
    return this.#rollbackMs !== Number.POSITIVE_INFINITY
  }

  /** Writes what happens up to `timeMs`. */
  advance(timeMs: number): void {
    const { began, ended } = this.#incidents.advance(timeMs)
    for (const incident of began) this.#sign(incident, incident.beginMs, FIRST_SIGNS)
    for (const incident of ended) this.#sign(incident, incident.endMs, LAST_SIGNS)
    for (; this.#nextHealthMs <= timeMs; this.#nextHealthMs += HEALTH_EVERY_MS) this.#routine(this.#nextHealthMs)
    if (this.#rollbackMs <= timeMs) this.#rollBack(this.#rollbackMs)
    for (; this.#nextDeployMs <= timeMs; this.#nextDeployMs += this.#context.random.exponential(DEPLOY_EVERY_MS)) {
      this.#deploy(this.#nextDeployMs)
    }
  }

  #sign({ kind }: Incident, timeMs: number, signs: Readonly<Record<IncidentKind, Line>>): void {
    const line = signs[kind]
    this.#write(timeMs, line.service, line.level, line.message, line.fields)
  }

  #routine(timeMs: number): void {
    const { random } = this.#context
    const service = random.pick(SHOP_SERVICES)
    this.#write(timeMs, service, 'DEBUG', 'GET /health 200', { http: { method: 'GET', path: '/health', status: 200 } })
    if (random.chance(0.05)) {
      const pauseMs = random.between(4, 90)
      this.#write(timeMs, service, 'DEBUG', `garbage collection paused for ${pauseMs}ms`, {
        pauseMs,
        heapBytes: random.between(150, 480) * 1024 * 1024,
      })
    }
    if (random.chance(0.02)) {
      const rows = random.between(200, 4000)
      this.#write(timeMs, 'inventory', 'INFO', `supplier feed imported, ${rows} rows`, { job: 'supplier-import', rows })
    }
    if (random.chance(0.01)) {
      const days = random.between(2, 13)
      this.#write(timeMs, 'gateway', 'WARN', `certificate of api.shop.example expires in ${days} days`, { days })
    }
  }

  #deploy(timeMs: number): void {
    const { random, fleet } = this.#context
    const service = random.pick(SHOP_SERVICES)
    const before = fleet.version(service)
    this.#rollOut(timeMs, service, 1)
    const after = fleet.version(service)
    this.#write(timeMs, service, 'INFO', `deploy finished: ${service} ${before} -> ${after}`, {
      deploy: { from: before, to: after, by: random.pick(['mara', 'jonas', 'ci']), commit: random.hex(8) },
      tags: ['deploy'],
    })
    if (service === 'checkout' && !this.isCheckoutBroken && random.chance(BROKEN_CHECKOUT_SHARE)) {
      this.#rollbackMs = timeMs + BROKEN_CHECKOUT_MS
    }
  }

  #rollBack(timeMs: number): void {
    const { fleet } = this.#context
    const before = fleet.version('checkout')
    this.#rollOut(timeMs, 'checkout', -1)
    this.#write(timeMs, 'checkout', 'WARN', `deploy rolled back: checkout ${before} -> ${fleet.version('checkout')}`, {
      deploy: { from: before, to: fleet.version('checkout'), by: 'mara', reason: 'errors after release' },
      tags: ['deploy', 'rollback'],
    })
    this.#rollbackMs = Number.POSITIVE_INFINITY
  }

  /** Old hosts stop in the seconds before, new ones start in the seconds after. */
  #rollOut(timeMs: number, service: ShopService, minorStep: 1 | -1): void {
    const { random, fleet } = this.#context
    for (const host of fleet.hosts(service)) {
      this.#writeOn(host, timeMs, service, 'INFO', 'SIGTERM received, finishing requests under way', {})
    }
    fleet.replace(service, minorStep)
    for (const host of fleet.hosts(service)) {
      const startMs = random.between(900, 6000)
      const atMs = timeMs + ROLLOUT_MS * random.random()
      this.#writeOn(host, atMs, service, 'INFO', `${service} ${fleet.version(service)} started in ${startMs}ms`, {
        startMs,
        profile: DEMO_ENVIRONMENT,
      })
    }
  }

  #write(timeMs: number, service: ShopService, level: ShopLevel, message: string, fields: ShopFields = {}): void {
    this.#writeOn(this.#context.fleet.anyHost(service), timeMs, service, level, message, fields)
  }

  #writeOn(
    host: string,
    timeMs: number,
    service: ShopService,
    level: ShopLevel,
    message: string,
    fields: ShopFields,
  ): void {
    writeRecord(this.#context, timeMs, service, host, level, message, fields)
  }
}
