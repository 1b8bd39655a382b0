import { deepEqual, equal, match, ok, rejects, throws } from 'node:assert/strict'
import { test } from 'node:test'
import type { Actor, Message, MessageContext, Question, Reply } from '../../../../actors/runtime/actor.ts'
import { ActorSystem, type Escalation } from '../../../../actors/runtime/actor-system.ts'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import { silentLogger } from '../../../../base/logger.ts'

interface Add extends Question<number> {
  readonly kind: 'add'
  readonly by: number
}
interface Hold extends Question<string> {
  readonly kind: 'hold'
}
interface Break extends Question<never> {
  readonly kind: 'break'
  readonly how: 'bug' | 'refusal' | 'silence'
}
interface Block extends Question<undefined> {
  readonly kind: 'block'
}
interface Noted {
  readonly kind: 'noted'
  readonly text: string
}
type CounterMessage = Add | Hold | Break | Block | Noted

/** A gate that a test opens. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}

class Counter implements Actor<CounterMessage> {
  sum = 0
  readonly notes: string[] = []
  readonly held: Reply<string>[] = []
  readonly blocked = gate()
  readonly unblock = gate()
  stopped = 0

  async stopping() {
    this.stopped++
  }

  observe() {
    return { sum: this.sum }
  }

  handle(message: CounterMessage, context: MessageContext): void | Promise<void> {
    switch (message.kind) {
      case 'add':
        this.sum += message.by
        return context.answer(message, this.sum)
      case 'hold':
        this.held.push(context.defer(message))
        return
      case 'break':
        if (message.how === 'silence') return
        throw message.how === 'bug' ? new TypeError('a bug') : new WeirError('not_found', 'no such thing')
      case 'block':
        this.blocked.open()
        return this.unblock.opened.then(() => context.answer(message, undefined))
      case 'noted':
        this.notes.push(message.text)
    }
  }
}

const NO_BACKOFF = { firstMs: 0, maxMs: 0, factor: 1 }

function setUp(
  options: { overflow?: 'reject' | 'dropOldest' | 'dropNewest' | 'wait'; mailboxMax?: number; budget?: number } = {},
) {
  const escalations: Escalation[] = []
  const system = new ActorSystem({
    name: 'main',
    clock: systemClock,
    logger: silentLogger,
    onEscalate: (escalation) => escalations.push(escalation),
  })
  const made: Counter[] = []
  const counter = system.spawn<CounterMessage>(
    'counter',
    () => {
      made.push(new Counter())
      return made.at(-1) as Counter
    },
    {
      mailboxMax: options.mailboxMax ?? 100,
      ...(options.overflow ? { overflow: options.overflow } : {}),
      restart: { budget: options.budget ?? 2, windowMs: 60_000, backoff: NO_BACKOFF },
    },
  )
  const seen = () => system.observe().actors[0]!
  return { system, counter, made, escalations, seen }
}

const IN_TIME = { deadlineMs: 5_000 }
const code = (expected: string) => (error: unknown) => error instanceof WeirError && error.code === expected

test('messages are handled one at a time, in order, and questions get the answer of their type', async () => {
  const { counter, made, system } = setUp()
  counter.tell({ kind: 'add', by: 2 })
  const sums: number[] = await Promise.all([1, 2, 3].map((by) => counter.ask({ kind: 'add', by }, IN_TIME)))
  deepEqual(sums, [3, 5, 8])
  equal(made[0]!.sum, 8)
  deepEqual(system.observe().actors[0]!.detail, { sum: 8 })
  await system.stop(1_000)
})

test('a promise returned by a handler holds the next message back', async () => {
  const { counter, made, system } = setUp()
  const block = counter.ask({ kind: 'block' }, IN_TIME)
  counter.tell({ kind: 'noted', text: 'after' })
  await Promise.resolve()
  await made[0]!.blocked.opened
  deepEqual(made[0]!.notes, [])
  made[0]!.unblock.open()
  await block
  await counter.ask({ kind: 'add', by: 0 }, IN_TIME)
  deepEqual(made[0]!.notes, ['after'])
  await system.stop(1_000)
})

test('a deferred question does not hold the mailbox and is answered later', async () => {
  const { counter, made, system, seen } = setUp()
  const held = counter.ask({ kind: 'hold' }, IN_TIME)
  equal(await counter.ask({ kind: 'add', by: 1 }, IN_TIME), 1)
  equal(seen().unanswered, 1)
  made[0]!.held[0]!.send('later')
  equal(await held, 'later')
  equal(seen().unanswered, 0)
  await system.stop(1_000)
})

test('at its deadline a question fails, its handler is told, and a late answer goes nowhere', async () => {
  const { counter, made, system } = setUp()
  await rejects(counter.ask({ kind: 'hold' }, { deadlineMs: 5 }), code('deadline_exceeded'))
  const held = made[0]!.held[0]!
  ok(held.signal.aborted)
  ok(code('deadline_exceeded')(held.signal.reason))
  equal(held.isOpen, false)
  held.send('too late')
  equal(await counter.ask({ kind: 'add', by: 1 }, IN_TIME), 1)
  await system.stop(1_000)
})

test('a cancelled question fails at once and aborts the handler; one cancelled in the mailbox is never handled', async () => {
  const { counter, made, system, seen } = setUp()
  const controller = new AbortController()
  const held = counter.ask({ kind: 'hold' }, { ...IN_TIME, signal: controller.signal })
  await counter.ask({ kind: 'add', by: 0 }, IN_TIME)
  const blocking = counter.ask({ kind: 'block' }, IN_TIME)
  const queued = counter.ask({ kind: 'add', by: 100 }, { ...IN_TIME, signal: controller.signal })
  controller.abort()
  await rejects(held, code('cancelled'))
  await rejects(queued, code('cancelled'))
  await rejects(counter.ask({ kind: 'add', by: 100 }, { ...IN_TIME, signal: controller.signal }), code('cancelled'))
  ok(made[0]!.held[0]!.signal.aborted)
  made[0]!.unblock.open()
  await blocking
  equal(await counter.ask({ kind: 'add', by: 1 }, IN_TIME), 1)
  equal(seen().unanswered, 0)
  await system.stop(1_000)
})

test('an operating error answers the question and leaves the actor as it was', async () => {
  const { counter, made, system } = setUp()
  await counter.ask({ kind: 'add', by: 4 }, IN_TIME)
  await rejects(counter.ask({ kind: 'break', how: 'refusal' }, IN_TIME), code('not_found'))
  equal(await counter.ask({ kind: 'add', by: 1 }, IN_TIME), 5)
  equal(made.length, 1)
  await system.stop(1_000)
})

test('an unforeseen error fails the question and restarts the actor, which then handles what was waiting', async () => {
  const { counter, made, system, seen } = setUp()
  const held = counter.ask({ kind: 'hold' }, IN_TIME)
  const broken = counter.ask({ kind: 'break', how: 'bug' }, IN_TIME)
  const waiting = counter.ask({ kind: 'add', by: 1 }, IN_TIME)
  await rejects(broken, code('internal'))
  await rejects(held, code('actor_stopped'))
  equal(await waiting, 1)
  equal(made.length, 2)
  equal(made[0]!.stopped, 1)
  equal(seen().restarts, 1)
  match(seen().lastError!.message, /a bug/)
  await system.stop(1_000)
})

test('a handler that forgets its question is a bug: the asker is told at once', async () => {
  const { counter, made, system } = setUp()
  await rejects(counter.ask({ kind: 'break', how: 'silence' }, IN_TIME), code('internal'))
  await counter.ask({ kind: 'add', by: 0 }, IN_TIME)
  equal(made.length, 2)
  await system.stop(1_000)
})

test('when the budget of restarts is spent the failure is escalated and the actor refuses messages', async () => {
  const { counter, made, system, escalations, seen } = setUp({ budget: 2 })
  for (let i = 0; i < 3; i++) await rejects(counter.ask({ kind: 'break', how: 'bug' }, IN_TIME), code('internal'))
  await rejects(counter.ask({ kind: 'add', by: 1 }, IN_TIME), code('actor_stopped'))
  throws(() => counter.tell({ kind: 'noted', text: '' }), code('actor_stopped'))
  equal(made.length, 3)
  deepEqual(
    escalations.map(({ actor, error }) => [actor, error.code]),
    [['main/counter', 'internal']],
  )
  equal(seen().state, 'failed')
  await system.stop(1_000)
})

test('an actor whose factory fails is restarted like one whose handler fails', async () => {
  const escalations: Escalation[] = []
  const onEscalate = (escalation: Escalation) => escalations.push(escalation)
  const system = new ActorSystem({ name: 'main', clock: systemClock, logger: silentLogger, onEscalate })
  let attempts = 0
  const make = () => {
    if (++attempts < 3) throw new WeirError('storage_unavailable', 'no disk')
    return new Counter()
  }
  const restart = { budget: 5, windowMs: 60_000, backoff: NO_BACKOFF }
  const counter = system.spawn<CounterMessage>('counter', make, { mailboxMax: 1, restart })
  equal(await counter.ask({ kind: 'add', by: 1 }, IN_TIME), 1)
  deepEqual([attempts, escalations.length], [3, 0])
  await system.stop(1_000)
})

async function fill(overflow: 'reject' | 'dropOldest' | 'dropNewest' | 'wait') {
  const all = setUp({ overflow, mailboxMax: 2 })
  const blocking = all.counter.ask({ kind: 'block' }, IN_TIME)
  await Promise.resolve()
  const counter = all.made[0]!
  await counter.blocked.opened
  const release = async () => {
    counter.unblock.open()
    await blocking
  }
  const add = (by: number) => all.counter.ask({ kind: 'add', by }, IN_TIME).catch((error: WeirError) => error.code)
  return { ...all, release, add }
}

test('a full mailbox that rejects refuses the newest message and says so', async () => {
  const { counter, add, release, system, seen } = await fill('reject')
  const outcomes = [add(1), add(2), add(4)]
  throws(() => counter.tell({ kind: 'noted', text: 'x' }), code('mailbox_full'))
  await rejects(counter.offer({ kind: 'noted', text: 'x' }, IN_TIME), code('mailbox_full'))
  await release()
  deepEqual(await Promise.all(outcomes), [1, 3, 'mailbox_full'])
  equal(seen().refused, 3)
  await system.stop(1_000)
})

test('a full mailbox that drops the oldest keeps the newest', async () => {
  const { add, release, system, seen } = await fill('dropOldest')
  const outcomes = [add(1), add(2), add(4)]
  await release()
  deepEqual(await Promise.all(outcomes), ['mailbox_full', 2, 6])
  equal(seen().dropped, 1)
  await system.stop(1_000)
})

test('a full mailbox that drops the newest keeps the oldest, and a tell does not fail', async () => {
  const { counter, add, release, system, seen } = await fill('dropNewest')
  const outcomes = [add(1), add(2), add(4)]
  counter.tell({ kind: 'noted', text: 'x' })
  await release()
  deepEqual(await Promise.all(outcomes), [1, 3, 'mailbox_full'])
  equal(seen().dropped, 2)
  await system.stop(1_000)
})

test('a full mailbox that waits holds senders back in order and bounds how many', async () => {
  const { counter, add, release, system, seen } = await fill('wait')
  const outcomes = [add(1), add(2)]
  const gaveUp = new AbortController()
  const abandoned = counter.ask({ kind: 'add', by: 100 }, { ...IN_TIME, signal: gaveUp.signal })
  let hasEntered = false
  const offered = counter.offer({ kind: 'noted', text: 'offered' }, IN_TIME).then(() => {
    hasEntered = true
  })
  equal(seen().sendersWaiting, 2)
  const refused = add(8)
  equal(await refused, 'mailbox_full')
  gaveUp.abort()
  await rejects(abandoned, code('cancelled'))
  equal(hasEntered, false)
  await release()
  await offered
  deepEqual(await Promise.all(outcomes), [1, 3])
  await system.stop(1_000)
})

test('a stop handles what is waiting, lets the actor release, then refuses', async () => {
  const { counter, made, system } = setUp()
  const sums = [1, 2, 3].map((by) => counter.ask({ kind: 'add', by }, IN_TIME))
  const held = counter.ask({ kind: 'hold' }, IN_TIME)
  const unanswered = rejects(held, code('actor_stopped'))
  const stopping = system.stop(5_000)
  await rejects(counter.ask({ kind: 'add', by: 1 }, IN_TIME), code('actor_stopped'))
  deepEqual(await Promise.all(sums), [1, 3, 6])
  await stopping
  await unanswered
  equal(made[0]!.stopped, 1)
  throws(() => system.spawn<Message>('other', () => ({ handle() {} }), { mailboxMax: 1 }), code('actor_stopped'))
})

test('a stop does not wait longer than its deadline for a handler that hangs', async () => {
  const { counter, made, system } = setUp()
  const stuck = counter.ask({ kind: 'block' }, IN_TIME)
  const behind = counter.ask({ kind: 'add', by: 1 }, IN_TIME)
  const failed = Promise.all([rejects(stuck, code('actor_stopped')), rejects(behind, code('actor_stopped'))])
  await Promise.resolve()
  await made[0]!.blocked.opened
  await system.stop(10)
  await failed
})

test('actors stop in the reverse order of their spawning, and a stopped name is free again', async () => {
  const { system } = setUp()
  const order: string[] = []
  for (const name of ['a', 'b', 'c']) {
    const stopping = () => {
      order.push(name)
    }
    system.spawn<Message>(name, () => ({ handle() {}, stopping }), { mailboxMax: 1 })
  }
  await Promise.resolve()
  await system.stopActor('b', 1_000)
  system.spawn<Message>('b', () => ({ handle() {} }), { mailboxMax: 1 })
  await system.stop(1_000)
  deepEqual(order, ['b', 'c', 'a'])
})

test('two actors that keep each other busy leave turns to timers and I/O', async () => {
  const { system } = setUp()
  interface Ball extends Message {
    readonly kind: 'ball'
  }
  let passes = 0
  const player = (other: string) => {
    system.spawn<Ball>(
      other === 'ping' ? 'pong' : 'ping',
      (context) => ({
        handle(ball) {
          passes++
          context.ref<Ball>(other).tell(ball)
        },
      }),
      { mailboxMax: 10 },
    )
  }
  player('ping')
  player('pong')
  system.ref<Ball>('ping').tell({ kind: 'ball' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  ok(passes > 100)
  await system.stopActor('ping', 0)
  await system.stop(0)
})

test('a ref to nobody fails as a stopped actor does', async () => {
  const { system } = setUp()
  await rejects(system.ref<CounterMessage>('nobody').ask({ kind: 'hold' }, IN_TIME), code('actor_stopped'))
  await rejects(system.ref<CounterMessage>('other/actor').ask({ kind: 'hold' }, IN_TIME), code('actor_stopped'))
  throws(() => system.ref<CounterMessage>('nobody').tell({ kind: 'noted', text: '' }), code('actor_stopped'))
  await system.stop(1_000)
})
