import type { Prng } from '../../base/prng.ts'
import type { ShopIncidents } from './shop-incidents.ts'
import { databaseTimeoutStack, nullPointerStack, providerTimeoutStack } from './shop-stacks.ts'
import { type ShopContext, type ShopFields, type ShopSpan, ShopTrace } from './shop-trace.ts'

export interface VisitContext extends ShopContext {
  readonly incidents: ShopIncidents
  /** True while the checkout that was rolled out last has a bug. */
  readonly isCheckoutBroken: () => boolean
}

const PRODUCTS = [
  'espresso machine',
  'hand grinder',
  'milk jug',
  'paper filters',
  'gooseneck kettle',
  'kitchen scale',
  'moka pot',
  'travel mug',
  'cold brew bottle',
  'cleaning tablets',
]
const COUNTRIES = ['DE', 'DE', 'FR', 'NL', 'AT', 'ES', 'IT', 'PL', 'SE', 'US']
const CARRIERS = ['dhl', 'ups', 'dpd', 'gls']
const PAYMENT_METHODS = ['card', 'card', 'card', 'paypal', 'sepa']
const USERS = 40_000
const SLOW_QUERY_MS = 250
const PROVIDER_TIMEOUT_MS = 5000
const PROVIDER_ATTEMPTS = 2

/** One visitor does one thing: most look around, few buy. */
export function visit(context: VisitContext, startMs: number): void {
  const draw = context.random.random()
  if (draw < 0.45) browse(context, startMs)
  else if (draw < 0.65) lookAtProduct(context, startMs)
  else if (draw < 0.78) addToCart(context, startMs)
  else if (draw < 0.86) signIn(context, startMs)
  else placeOrder(context, startMs)
}

function browse(context: VisitContext, startMs: number): void {
  const { random, incidents } = context
  const request = new GatewayRequest(context, startMs, 'GET', '/api/search')
  const search = request.gateway.call('search')
  const words = random.pick(PRODUCTS)
  if (incidents.isOn('searchNodeDown', startMs) && random.chance(0.3)) {
    search.wait(1000)
    search.log('ERROR', 'search failed: 1 of 3 index shards did not answer within 1000ms', {
      words,
      shard: 2,
      error: 'ShardUnavailable',
    })
    request.answer(503)
    return
  }
  search.work(18)
  const hits = random.below(120)
  search.log(hits === 0 ? 'WARN' : 'INFO', `found ${hits} products for "${words}" in ${search.durationMs}ms`, {
    words,
    hits,
    durationMs: search.durationMs,
  })
  request.answer(200)
}

function lookAtProduct(context: VisitContext, startMs: number): void {
  const sku = skuOf(context.random)
  const request = new GatewayRequest(context, startMs, 'GET', `/api/products/${sku}`)
  const inventory = request.gateway.call('inventory', { sku })
  if (!queryDatabase(context, inventory, 'SELECT sku, on_hand FROM stock WHERE sku = $1')) {
    request.answer(504)
    return
  }
  inventory.log('DEBUG', `cache ${context.random.chance(0.8) ? 'hit' : 'miss'} for stock:${sku}`)
  request.answer(context.random.chance(0.02) ? 404 : 200)
}

function addToCart(context: VisitContext, startMs: number): void {
  const sku = skuOf(context.random)
  const request = new GatewayRequest(context, startMs, 'POST', '/api/cart/items', userFields(context.random))
  authorize(request.gateway)
  const checkout = request.gateway.call('checkout', { sku })
  checkout.work(6)
  const items = context.random.between(1, 7)
  checkout.log('INFO', `item added to cart, ${items} items now`, { cart: { items, total: amountOf(context.random) } })
  request.answer(201)
}

function signIn(context: VisitContext, startMs: number): void {
  const { random } = context
  const user = userFields(random)
  const request = new GatewayRequest(context, startMs, 'POST', '/api/sessions', user)
  const auth = request.gateway.call('auth')
  auth.work(70)
  if (random.chance(0.12)) {
    const attempts = random.between(1, 6)
    auth.log('WARN', `login failed for user ${user.userId}: wrong password, attempt ${attempts}`, {
      attempts,
      clientIp: addressOf(random),
    })
    if (attempts > 4) auth.log('ERROR', `account ${user.userId} locked for 15 minutes`, { attempts })
    request.answer(401)
    return
  }
  auth.log('INFO', `user ${user.userId} logged in`, {
    method: random.pick(['password', 'password', 'passkey', 'google']),
  })
  request.answer(201)
}

function placeOrder(context: VisitContext, startMs: number): void {
  const { random } = context
  const orderId = `ord_${random.hex(10)}`
  const amount = amountOf(random)
  const request = new GatewayRequest(context, startMs, 'POST', '/api/orders', userFields(random))
  authorize(request.gateway)
  const checkout = request.gateway.call('checkout', { orderId })
  checkout.work(5)
  checkout.log('INFO', `order ${orderId} received, ${amount} EUR`, {
    amount,
    currency: 'EUR',
    items: random.between(1, 7),
  })
  if (context.isCheckoutBroken() && random.chance(0.4)) {
    checkout.log('ERROR', "cannot read field 'street' of the shipping address: it is null", {
      error: 'NullPointerException',
      stack: nullPointerStack(random),
    })
    request.answer(500)
    return
  }
  const inventory = checkout.call('inventory', { sku: skuOf(random) })
  if (!queryDatabase(context, inventory, 'UPDATE stock SET reserved = reserved + $2 WHERE sku = $1')) {
    checkout.log('ERROR', `order ${orderId} failed: stock could not be reserved`, { error: 'InventoryUnavailable' })
    request.answer(503)
    return
  }
  if (random.chance(0.015)) {
    inventory.log('WARN', 'out of stock', { onHand: 0 })
    checkout.log('INFO', `order ${orderId} rejected: out of stock`)
    request.answer(409)
    return
  }
  inventory.log('INFO', `stock reserved for ${orderId}`)
  if (!pay(context, checkout, orderId, amount)) {
    inventory.log('INFO', `stock released for ${orderId}`)
    checkout.log('ERROR', `order ${orderId} failed: payment was not taken`, { error: 'PaymentFailed', amount })
    request.answer(502)
    return
  }
  const shipping = checkout.call('shipping')
  shipping.work(40)
  const carrier = random.pick(CARRIERS)
  shipping.log('INFO', `label printed for ${orderId}`, {
    carrier,
    parcel: { weightGrams: random.between(150, 9000), country: random.pick(COUNTRIES) },
  })
  checkout.work(4)
  checkout.log('INFO', `order ${orderId} confirmed in ${checkout.durationMs}ms`, {
    amount,
    durationMs: checkout.durationMs,
    tags: random.chance(0.1) ? ['order', 'first-order'] : ['order'],
  })
  request.answer(201)
  sendMail(context, checkout, orderId)
}

/** False when the provider did not take the money. */
function pay(context: VisitContext, checkout: ShopSpan, orderId: string, amount: number): boolean {
  const { random, incidents } = context
  const payment = checkout.call('payment', { orderId })
  const method = random.pick(PAYMENT_METHODS)
  payment.log('DEBUG', `authorizing ${amount} EUR by ${method}`, { method, amount })
  const isDown = incidents.isOn('paymentProviderDown', checkout.timeMs)
  for (let attempt = 1; attempt <= PROVIDER_ATTEMPTS; attempt++) {
    if (!(isDown && random.chance(0.85))) {
      payment.work(140)
      if (random.chance(0.03)) {
        payment.log(
          'WARN',
          `payment declined: ${random.pick(['insufficient funds', 'card expired', 'suspected fraud'])}`,
          {
            method,
            provider: 'paywise',
          },
        )
        return false
      }
      payment.log('INFO', `payment authorized in ${payment.durationMs}ms`, {
        method,
        provider: 'paywise',
        paymentId: `pay_${random.hex(12)}`,
        durationMs: payment.durationMs,
      })
      return true
    }
    payment.wait(PROVIDER_TIMEOUT_MS)
    if (attempt < PROVIDER_ATTEMPTS) {
      payment.log(
        'WARN',
        `payment gateway timeout after ${PROVIDER_TIMEOUT_MS}ms calling paywise, attempt ${attempt} of ${PROVIDER_ATTEMPTS}`,
        {
          provider: 'paywise',
          attempt,
        },
      )
      payment.work(200)
    }
  }
  payment.log(
    'ERROR',
    `payment gateway timeout after ${PROVIDER_TIMEOUT_MS}ms calling paywise, attempt ${PROVIDER_ATTEMPTS} of ${PROVIDER_ATTEMPTS}, giving up`,
    {
      provider: 'paywise',
      attempt: PROVIDER_ATTEMPTS,
      error: 'ProviderTimeout',
      stack: providerTimeoutStack(random),
    },
  )
  return false
}

function sendMail(context: VisitContext, checkout: ShopSpan, orderId: string): void {
  const { random, incidents } = context
  const email = checkout.call('email')
  email.work(600)
  if (incidents.isOn('mailRelayDown', email.timeMs)) {
    email.log('WARN', `mail for ${orderId} deferred: 451 4.7.1 relay busy, try again later`, {
      template: 'order-confirmation',
      smtpCode: 451,
      queued: random.between(20, 900),
    })
    return
  }
  email.log('INFO', `mail for ${orderId} sent`, { template: 'order-confirmation', smtpCode: 250 })
}

/** False when the database gave up. */
function queryDatabase(context: VisitContext, span: ShopSpan, statement: string): boolean {
  const { random, incidents } = context
  const isSlow = incidents.isOn('inventoryDatabaseSlow', span.timeMs)
  const beginMs = span.timeMs
  span.work(isSlow && random.chance(0.6) ? 900 : random.chance(0.004) ? 400 : 3)
  const tookMs = Math.round(span.timeMs - beginMs)
  if (tookMs > 2500) {
    span.log('ERROR', `database timeout after ${tookMs}ms: canceling statement due to statement timeout`, {
      error: 'QueryTimeout',
      db: { statement, host: 'inventory-db-1', durationMs: tookMs },
      stack: databaseTimeoutStack(random),
    })
    return false
  }
  if (tookMs > SLOW_QUERY_MS) {
    span.log('WARN', `slow query took ${tookMs}ms on table stock, rows=${random.below(5000)}`, {
      db: { statement, host: 'inventory-db-1', durationMs: tookMs },
    })
  }
  return true
}

function authorize(gateway: ShopSpan): void {
  const auth = gateway.call('auth')
  auth.work(2)
  auth.log('DEBUG', 'token verified', { keyId: 'k7' })
}

/** A request that the gateway takes and answers. */
class GatewayRequest {
  readonly gateway: ShopSpan
  readonly #method: string
  readonly #path: string

  constructor(context: VisitContext, startMs: number, method: string, path: string, fields: ShopFields = {}) {
    this.gateway = new ShopTrace(context, startMs).start('gateway', fields)
    this.#method = method
    this.#path = path
    this.gateway.log('DEBUG', `${method} ${path} received`, {
      http: { method, path, clientIp: addressOf(context.random) },
    })
    this.gateway.work(0.5)
  }

  answer(status: number): void {
    const { gateway } = this
    gateway.work(0.7)
    const level = status >= 500 ? 'ERROR' : status >= 400 ? 'WARN' : 'INFO'
    const { durationMs } = gateway
    gateway.log(level, `${this.#method} ${this.#path} ${status} in ${durationMs}ms`, {
      http: { method: this.#method, path: this.#path, status, bytes: gateway.random.between(120, 48_000) },
      durationMs,
    })
  }
}

/** A few visitors come often. */
function userFields(random: Prng): { readonly userId: string } {
  return { userId: `u_${Math.floor(random.random() ** 3 * USERS)}` }
}

function skuOf(random: Prng): string {
  return `SKU-${String(Math.floor(random.random() ** 2 * 3000)).padStart(5, '0')}`
}

function amountOf(random: Prng): number {
  return Math.round((8 + random.exponential(70)) * 100) / 100
}

function addressOf(random: Prng): string {
  return `203.0.113.${random.below(256)}`
}
