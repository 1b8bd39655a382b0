import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Actor, Message, MessageContext, Question, Reply } from '../../../../actors/runtime/actor.ts'
import type { ActorRef } from '../../../../actors/runtime/actor-ref.ts'
import { ActorSystem } from '../../../../actors/runtime/actor-system.ts'
import { NodeLink } from '../../../../actors/runtime/node-link.ts'
import { type ServedActors, serveActors } from '../../../../actors/runtime/node-server.ts'
import { encodeWire } from '../../../../actors/runtime/wire-codec.ts'
import { systemClock } from '../../../../base/clock.ts'
import { WeirError } from '../../../../base/errors.ts'
import { silentLogger } from '../../../../base/logger.ts'
import { localTransport } from '../../../../cluster/local-transport.ts'
import { actorsSubject } from '../../../../cluster/subjects.ts'
import type { Transport } from '../../../../cluster/transport.ts'
import { SimulatedClock } from '../../../harness/simulated-clock.ts'
import { SimulatedNetwork } from '../../../harness/simulated-transport.ts'

interface Add extends Question<{ readonly sum: number; readonly seen: Uint8Array }> {
  readonly kind: 'add'
  readonly by: number
  readonly bytes?: Uint8Array
}
interface Hold extends Question<string> {
  readonly kind: 'hold'
}
interface Fail extends Question<never> {
  readonly kind: 'fail'
}
interface Inflate extends Question<readonly string[]> {
  readonly kind: 'inflate'
  readonly texts: number
}
interface Note {
  readonly kind: 'note'
  readonly text: string
}
interface Secret extends Question<string> {
  readonly kind: 'secret'
}
type CounterMessage = Add | Hold | Fail | Inflate | Note | Secret

class Counter implements Actor<CounterMessage> {
  sum = 0
  readonly notes: string[] = []
  readonly held: Reply<string>[] = []
  #holding: (() => void)[] = []

  handle(message: CounterMessage, context: MessageContext): void {
    switch (message.kind) {
      case 'add':
        this.sum += message.by
        context.answer(message, { sum: this.sum, seen: message.bytes ?? new Uint8Array() })
        return
      case 'hold':
        this.held.push(context.defer(message))
        for (const noticed of this.#holding.splice(0)) noticed()
        return
      case 'fail':
        throw new WeirError('epoch_fenced', 'too old', { epoch: 3 })
      case 'inflate':
        context.answer(
          message,
          Array.from({ length: message.texts }, (_, i) => String(i).repeat(1000)),
        )
        return
      case 'note':
        this.notes.push(message.text)
        return
      case 'secret':
        context.answer(message, 'secret')
    }
  }

  async holding(count: number): Promise<void> {
    while (this.held.length < count) await new Promise<void>((resolve) => this.#holding.push(resolve))
  }
}

const CLUSTER = 'test'
const OPEN = { counter: { asked: ['add', 'hold', 'fail', 'inflate'], told: ['note', 'add'] } }
const COUNTER = { node: 'b', thread: 'worker-0', actor: 'counter' }
const IN_TIME = { deadlineMs: 10_000 }

interface Served {
  readonly system: ActorSystem
  readonly counter: Counter
  readonly served: ServedActors
}

function serve(transport: Transport, node: string, answeringMax = 100): Served {
  const system = new ActorSystem({
    name: 'worker-0',
    clock: systemClock,
    logger: silentLogger,
    onEscalate: () => assert.fail('an actor failed'),
  })
  const counter = new Counter()
  system.spawn<CounterMessage>('counter', () => counter, { mailboxMax: 100 })
  system.spawn<Message>('private', () => ({ handle: () => assert.fail('reached') }), { mailboxMax: 100 })
  const options = { cluster: CLUSTER, node, open: OPEN, logger: silentLogger, answeringMax }
  return { system, counter, served: serveActors(system, transport, options) }
}

/** Node a with a ref to the counter of node b. */
function setUp(limits: { asksMax?: number; askedBytesMax?: number; answeringMax?: number } = {}) {
  const network = new SimulatedNetwork({ clock: systemClock })
  const transports = { a: network.join('a'), b: network.join('b') }
  const b = serve(transports.b, 'b', limits.answeringMax)
  const link = new NodeLink({ transport: transports.a, cluster: CLUSTER, ...limits })
  const counter: ActorRef<CounterMessage> = link.ref(COUNTER)
  return { network, transports, b, link, counter }
}

describe('an actor on another node', () => {
  it('answers questions, in order, and is told in order', async () => {
    const { b, counter, link } = setUp()
    counter.tell({ kind: 'note', text: 'one' })
    counter.tell({ kind: 'add', by: 2 })
    counter.tell({ kind: 'note', text: 'two' })
    const bytes = new Uint8Array([1, 2, 3])
    const answers = await Promise.all([1, 2, 3].map((by) => counter.ask({ kind: 'add', by, bytes }, IN_TIME)))
    assert.deepEqual(
      answers.map(({ sum }) => sum),
      [3, 5, 8],
    )
    assert.deepEqual(answers[0]!.seen, bytes)
    assert.deepEqual(b.counter.notes, ['one', 'two'])
    assert.equal(counter.address, 'b/worker-0/counter')
    assert.deepEqual(link.observe(), [])
  })

  it('is offered messages, and says when they are in its mailbox', async () => {
    const { b, counter } = setUp()
    await counter.offer({ kind: 'note', text: 'offered' }, IN_TIME)
    await counter.ask({ kind: 'add', by: 1 }, IN_TIME)
    assert.deepEqual(b.counter.notes, ['offered'])
  })

  it('answers with the error of its handler, code and details', async () => {
    const { counter } = setUp()
    await assert.rejects(counter.ask({ kind: 'fail' }, IN_TIME), { code: 'epoch_fenced', details: { epoch: 3 } })
    assert.equal((await counter.ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 1)
  })

  it('may answer with tens of megabytes', async () => {
    const { counter } = setUp()
    const texts = await counter.ask({ kind: 'inflate', texts: 10_000 }, IN_TIME)
    assert.equal(texts.length, 10_000)
    assert.equal(texts[9999], '9999'.repeat(1000))
  })

  it('lives on this node just as well', async () => {
    const transport = localTransport(systemClock)
    serve(transport, 'alone')
    const counter = new NodeLink({ transport, cluster: CLUSTER }).ref<CounterMessage>({ ...COUNTER, node: 'alone' })
    assert.equal((await counter.ask({ kind: 'add', by: 4 }, IN_TIME)).sum, 4)
    await assert.rejects(counter.ask({ kind: 'fail' }, IN_TIME), { code: 'epoch_fenced' })
  })
})

describe('what is not open to other nodes', () => {
  it('cannot be reached: an actor, a kind of message, a question that may only be told', async () => {
    const { b, link, counter } = setUp()
    const hidden = link.ref<Secret>({ ...COUNTER, actor: 'private' })
    await assert.rejects(hidden.ask({ kind: 'secret' }, IN_TIME), { code: 'not_found', message: /private/ })
    await assert.rejects(hidden.offer({ kind: 'secret' }, IN_TIME), { code: 'not_found' })
    hidden.tell({ kind: 'secret' })
    await assert.rejects(counter.ask({ kind: 'secret' }, IN_TIME), { code: 'not_found', message: /secret messages/ })
    await assert.rejects(counter.offer({ kind: 'hold' }, IN_TIME), { code: 'not_found' })
    counter.tell({ kind: 'hold' })
    const prototype = link.ref<Secret>({ ...COUNTER, actor: 'constructor' })
    await assert.rejects(prototype.ask({ kind: 'secret' }, IN_TIME), { code: 'not_found' })
    assert.equal((await counter.ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 1)
    assert.equal(b.counter.held.length, 0)
  })

  it('is not another thread, whatever the name of a node is', async () => {
    const { link, network } = setUp()
    serve(network.join('c.d'), 'c.d')
    const named = (node: string) => link.ref<CounterMessage>({ ...COUNTER, node })
    assert.equal((await named('c.d').ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 1)
    for (const node of ['*', '>', 'c', 'c.*']) {
      await assert.rejects(named(node).ask({ kind: 'add', by: 1 }, IN_TIME), { code: 'shard_unavailable' })
    }
    assert.equal((await named('c.d').ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 2)
  })

  it('bytes that are no message are refused and harm nothing', async () => {
    const { transports, counter } = setUp()
    const subject = actorsSubject(CLUSTER, 'b', 'worker-0')
    const messages: unknown[] = [
      7,
      [],
      [1, 'counter', 1000, null],
      [1, 'counter', 1000, { kind: 5 }],
      [1, 'counter', -1, { kind: 'add' }],
      [1, 'counter', Number.NaN, { kind: 'add' }],
      [1, 'counter', Number.POSITIVE_INFINITY, { kind: 'add' }],
      [9, 'counter', 1000, { kind: 'add' }],
      [1, { toString: 'counter' }, 1000, { kind: 'add' }],
    ]
    for (const message of messages) {
      await assert.rejects(transports.a.request(subject, encodeWire(message), IN_TIME), { code: 'corrupt_data' })
    }
    await assert.rejects(transports.a.request(subject, new Uint8Array([1, 2, 3]), IN_TIME), { code: 'corrupt_data' })
    transports.a.publish(subject, new Uint8Array([1, 2, 3]))
    const longest = encodeWire([1, 'counter', Number.MAX_VALUE, { kind: 'add', by: 1 }])
    assert.ok((await transports.a.request(subject, longest, IN_TIME)).length > 0)
    assert.equal((await counter.ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 2)
  })
})

describe('a question to another node', () => {
  it('that is cancelled fails at once and aborts the handler there', async () => {
    const { b, counter, link } = setUp()
    const giveUp = new AbortController()
    const held = counter.ask({ kind: 'hold' }, { ...IN_TIME, signal: giveUp.signal })
    await b.counter.holding(1)
    const { signal } = b.counter.held[0]!
    const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    assert.equal(link.observe()[0]?.asked, 1)
    giveUp.abort()
    await assert.rejects(held, { code: 'cancelled' })
    await stopped
    assert.equal(b.counter.held[0]!.isOpen, false)
    assert.deepEqual(link.observe(), [])
    await assert.rejects(counter.ask({ kind: 'hold' }, { ...IN_TIME, signal: giveUp.signal }), { code: 'cancelled' })
    assert.equal(b.counter.held.length, 1)
  })

  it('fails with the reason of its signal', async () => {
    const { b, counter } = setUp()
    const giveUp = new AbortController()
    const held = counter.ask({ kind: 'hold' }, { ...IN_TIME, signal: giveUp.signal })
    await b.counter.holding(1)
    giveUp.abort(new WeirError('draining', 'no more time'))
    await assert.rejects(held, { code: 'draining' })
  })

  it('takes its deadline along: the handler knows the time left and is told when it is over', async () => {
    const { b, counter } = setUp()
    await assert.rejects(counter.ask({ kind: 'hold' }, { deadlineMs: 20 }), { code: 'deadline_exceeded' })
    await b.counter.holding(1)
    const reply = b.counter.held[0]!
    if (!reply.signal.aborted) await new Promise((resolve) => reply.signal.addEventListener('abort', resolve))
    assert.equal(reply.isOpen, false)
    assert.ok(reply.remainingMs <= 20)
  })

  it('is refused at once when as many wait for that node as may, and only for that node', async () => {
    const { b, counter, link, network } = setUp({ asksMax: 2 })
    const c = serve(network.join('c'), 'c')
    const giveUp = new AbortController()
    const held = [1, 2].map(() => counter.ask({ kind: 'hold' }, { ...IN_TIME, signal: giveUp.signal }))
    await assert.rejects(counter.ask({ kind: 'add', by: 1 }, IN_TIME), { code: 'overloaded', message: /node b/ })
    const other = link.ref<CounterMessage>({ ...COUNTER, node: 'c' })
    assert.equal((await other.ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 1)
    await b.counter.holding(2)
    b.counter.held[0]!.send('free')
    assert.equal(await held[0], 'free')
    assert.equal((await counter.ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 1)
    giveUp.abort()
    await assert.rejects(held[1]!, { code: 'cancelled' })
    assert.deepEqual([link.observe(), c.served.answering], [[], 0])
  })

  it('is refused when the questions waiting for that node have too many bytes', async () => {
    const { b, counter, link } = setUp({ askedBytesMax: 10_000 })
    const held = counter.ask({ kind: 'hold' }, IN_TIME)
    const large = { kind: 'add', by: 1, bytes: new Uint8Array(9_980) } as const
    await assert.rejects(counter.ask(large, IN_TIME), { code: 'overloaded' })
    await b.counter.holding(1)
    b.counter.held[0]!.send('free')
    await held
    await assert.rejects(counter.ask({ ...large, bytes: new Uint8Array(10_001) }, IN_TIME), { code: 'overloaded' })
    assert.equal((await counter.ask({ ...large, bytes: new Uint8Array(9_000) }, IN_TIME)).sum, 1)
    assert.deepEqual(link.observe(), [])
  })

  it('is refused by a node that answers as many as it may', async () => {
    const { b, counter } = setUp({ answeringMax: 1 })
    const held = counter.ask({ kind: 'hold' }, IN_TIME)
    await b.counter.holding(1)
    await assert.rejects(counter.ask({ kind: 'add', by: 1 }, IN_TIME), {
      code: 'overloaded',
      details: { node: 'b', answering: 1 },
    })
    b.counter.held[0]!.send('free')
    await held
    assert.equal((await counter.ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 1)
    assert.equal(b.served.answering, 0)
  })
})

describe('a node that is gone', () => {
  it('never was: questions fail at once as of a shard without an owner, tells are lost', async () => {
    const { link } = setUp()
    const nobody = link.ref<CounterMessage>({ ...COUNTER, node: 'nobody' })
    nobody.tell({ kind: 'note', text: 'lost' })
    await assert.rejects(nobody.ask({ kind: 'add', by: 1 }, IN_TIME), (error) => {
      assert.ok(error instanceof WeirError && error.code === 'shard_unavailable' && error.retryable)
      return true
    })
    assert.deepEqual(link.observe(), [])
  })

  it('vanished in mid-question: it fails at its deadline', async () => {
    const { b, counter, network } = setUp()
    const asked = counter.ask({ kind: 'hold' }, { deadlineMs: 30 })
    await b.counter.holding(1)
    network.partition(['a'], ['b'])
    b.counter.held[0]!.send('into the void')
    await assert.rejects(asked, { code: 'deadline_exceeded' })
  })

  it('vanished in mid-question and was noticed: all that was asked of it fails then, nothing else does', async () => {
    const { b, counter, link, network } = setUp()
    const c = serve(network.join('c'), 'c')
    const alive = link.ref<CounterMessage>({ ...COUNTER, node: 'c' }).ask({ kind: 'hold' }, IN_TIME)
    const asked = [1, 2].map(() => counter.ask({ kind: 'hold' }, IN_TIME))
    await b.counter.holding(2)
    network.partition(['a'], ['b'])
    link.lost('b')
    for (const one of asked) await assert.rejects(one, { code: 'shard_unavailable', details: { node: 'b' } })
    assert.deepEqual(
      link.observe().map(({ node, asked }) => [node, asked]),
      [['c', 1]],
    )
    link.lost('b')
    await c.counter.holding(1)
    c.counter.held[0]!.send('here')
    assert.equal(await alive, 'here')
  })

  it('stopped in order: what it had not answered fails as of a stopped actor, what comes later finds nobody', async () => {
    const { b, counter } = setUp()
    const asked = counter.ask({ kind: 'hold' }, IN_TIME)
    await b.counter.holding(1)
    b.served.close()
    const stopping = b.system.stop(0)
    await assert.rejects(asked, { code: 'actor_stopped' })
    await stopping
    await assert.rejects(counter.ask({ kind: 'add', by: 1 }, IN_TIME), { code: 'shard_unavailable' })
    counter.tell({ kind: 'add', by: 1 })
  })

  it('came back under its name: it is asked as any other, and what the old one held is not its', async () => {
    const { b, counter, link, network, transports } = setUp()
    await counter.ask({ kind: 'add', by: 5 }, IN_TIME)
    const asked = counter.ask({ kind: 'hold' }, IN_TIME)
    await b.counter.holding(1)
    await transports.b.close()
    link.lost('b')
    await assert.rejects(asked, { code: 'shard_unavailable' })
    const again = serve(network.join('b'), 'b')
    assert.equal((await counter.ask({ kind: 'add', by: 1 }, IN_TIME)).sum, 1)
    // The old one answers after all, to nobody.
    b.counter.held[0]!.send('late')
    const held = counter.ask({ kind: 'hold' }, IN_TIME)
    await again.counter.holding(1)
    again.counter.held[0]!.send('new')
    assert.equal(await held, 'new')
    assert.deepEqual(link.observe(), [])
  })

  it('asked this one and closes: its questions are cancelled here', async () => {
    const { b, counter, transports } = setUp()
    const asked = counter.ask({ kind: 'hold' }, IN_TIME)
    await b.counter.holding(1)
    const { signal } = b.counter.held[0]!
    const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    const closed = transports.a.close()
    await assert.rejects(asked, { code: 'draining' })
    await closed
    await stopped
    assert.throws(() => counter.tell({ kind: 'note', text: 'x' }), { code: 'draining' })
  })
})

describe('over a network that delays, drops and reorders', () => {
  it('every question ends: with its own answer, or as one that got none in time', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const clock = new SimulatedClock(seed)
      const network = new SimulatedNetwork({ clock, seed })
      network.delayMsMin = 1
      network.delayMsMax = 40
      network.dropProbability = 0.2
      const b = serve(network.join('b'), 'b')
      const link = new NodeLink({ transport: network.join('a'), cluster: CLUSTER })
      const counter = link.ref<CounterMessage>(COUNTER)
      const questions = Array.from({ length: 50 }, (_, i) =>
        counter.ask({ kind: 'add', by: 1, bytes: new Uint8Array([i]) }, { deadlineMs: 100 }).then(
          ({ seen }) => assert.deepEqual(seen, new Uint8Array([i])),
          (error: unknown) => assert.equal((error as WeirError).code, 'deadline_exceeded'),
        ),
      )
      await clock.run(Promise.all(questions))
      assert.ok(b.counter.sum > 25 && b.counter.sum < 50, String(b.counter.sum))
      assert.deepEqual([link.observe(), b.served.answering], [[], 0])
    }
  })
})
