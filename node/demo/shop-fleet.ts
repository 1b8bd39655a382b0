import type { Prng } from '../../base/prng.ts'

/** Every record of the shop says `env:demo`, so that it is easily found, and easily left out. */
export const DEMO_ENVIRONMENT = 'demo'

export type ShopService = 'gateway' | 'checkout' | 'payment' | 'inventory' | 'shipping' | 'auth' | 'search' | 'email'

interface Deployment {
  readonly service: ShopService
  readonly instances: number
  major: number
  minor: number
  hosts: readonly string[]
}

const INSTANCES: Readonly<Record<ShopService, number>> = {
  gateway: 4,
  checkout: 3,
  payment: 2,
  inventory: 3,
  shipping: 2,
  auth: 2,
  search: 3,
  email: 1,
}

export const SHOP_SERVICES = Object.keys(INSTANCES) as ShopService[]

const POD_LETTERS = 'bcdfghjklmnpqrstvwxz2456789'

/** Which version of each service runs on which hosts. */
export class ShopFleet {
  readonly #random: Prng
  readonly #deployments: ReadonlyMap<ShopService, Deployment>

  constructor(random: Prng) {
    this.#random = random
    this.#deployments = new Map(
      SHOP_SERVICES.map((service) => {
        const instances = INSTANCES[service]
        const minor = random.between(2, 40)
        return [service, { service, instances, major: random.between(1, 4), minor, hosts: this.#hosts(service) }]
      }),
    )
  }

  version(service: ShopService): string {
    const { major, minor } = this.#of(service)
    return `${major}.${minor}.0`
  }

  hosts(service: ShopService): readonly string[] {
    return this.#of(service).hosts
  }

  anyHost(service: ShopService): string {
    return this.#random.pick(this.hosts(service))
  }

  /** Brings the next (or the previous) version onto new hosts. */
  replace(service: ShopService, minorStep: 1 | -1): void {
    const deployment = this.#of(service)
    deployment.minor += minorStep
    deployment.hosts = this.#hosts(service)
  }

  #of(service: ShopService): Deployment {
    return this.#deployments.get(service) as Deployment
  }

  #hosts(service: ShopService): string[] {
    const set = this.#letters(9)
    return Array.from({ length: INSTANCES[service] }, () => `${service}-${set}-${this.#letters(5)}`)
  }

  #letters(count: number): string {
    return Array.from({ length: count }, () => POD_LETTERS[this.#random.below(POD_LETTERS.length)]).join('')
  }
}
