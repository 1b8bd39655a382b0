import type { FastifyReply } from 'fastify'
import type { Clock } from '../base/clock.ts'
import { Deadline } from '../base/deadline.ts'
import { WeirError } from '../base/errors.ts'

/** A query may answer late by this much, with what it has; after that the client is told that it failed. */
const DEADLINE_GRACE_MS = 5000

/** A signal that aborts with `cancelled` when the client goes away before it has its answer. */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  const response = reply.raw
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new WeirError('cancelled', 'The client went away'))
  })
  return controller.signal
}

/**
 * Runs a query that ends when its client goes away, when `stop` aborts, or when it is late beyond its own timeout, whatever the
 * code behind it does with the signal. Throws cancelled, deadline_exceeded, the reason of `stop`, or what `run` throws.
 */
export async function runForClient<T>(
  clock: Clock,
  reply: FastifyReply,
  timeoutMs: number,
  run: (signal: AbortSignal) => Promise<T>,
  stop?: AbortSignal,
): Promise<T> {
  const client = clientSignal(reply)
  const parent = stop === undefined ? client : AbortSignal.any([client, stop])
  const { signal, release } = new Deadline(clock, timeoutMs + DEADLINE_GRACE_MS).signal(parent)
  try {
    return await Promise.race([run(signal), rejectionOf(signal)])
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    release()
  }
}

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
