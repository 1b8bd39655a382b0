import type { IncomingMessage } from 'node:http'
import type { Clock, Timer } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { Interruption } from '../base/interruption.ts'
import { HTTP_BODY_IDLE_MAX_MS, HTTP_REQUEST_TIMEOUT_MS } from '../base/limits.ts'
import type { AdmittedBytes } from './admitted-bytes.ts'
import type { BodyBuffer } from './body-pool.ts'

/** Notices bodies that stand still. One timer for all, so that a body costs an entry in a set. */
export class BodyWatch {
  readonly #readings = new Set<Reading>()
  readonly #clock: Clock
  readonly #timer: Timer

  constructor(clock: Clock) {
    this.#clock = clock
    this.#timer = clock.every(HTTP_BODY_IDLE_MAX_MS / 4, () => this.#check())
  }

  add(reading: Reading): void {
    this.#readings.add(reading)
  }

  /** A body that must have come by HTTP_REQUEST_TIMEOUT_MS, however it comes. */
  addBounded(reading: Reading): void {
    reading.untilMs = this.#clock.monotonicMs() + HTTP_REQUEST_TIMEOUT_MS
    this.#readings.add(reading)
  }

  delete(reading: Reading): void {
    this.#readings.delete(reading)
  }

  stop(): void {
    this.#timer.cancel()
  }

  #check(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const reading of this.#readings) {
      if (nowMs > (reading.untilMs ?? nowMs)) {
        reading.fail(new WeirError('request_timeout', 'The request did not arrive in time'))
      } else if (++reading.idleChecks > 4) reading.fail(new WeirError('request_timeout', 'The body stands still'))
    }
  }
}

/** A body that is being read. */
export interface Reading {
  idleChecks: number
  /** Monotonic; when all of it must have come. */
  untilMs?: number
  fail(error: WeirError): void
}

/** The length that a request announces; undefined when it does not. Throws body_too_large. */
export function announcedLength(request: IncomingMessage, bytesMax: number): number | undefined {
  const header = request.headers['content-length']
  if (header === undefined) return undefined
  const length = Number(header)
  if (length > bytesMax) throw tooLarge(bytesMax)
  return length
}

export function tooLarge(bytesMax: number): WeirError {
  return new WeirError('body_too_large', `The body may have ${bytesMax} bytes`, { limitBytes: bytesMax })
}

/**
 * Reads the whole body of a request, as it came, into `body`, admitting bytes as they arrive. Throws body_too_large, overloaded,
 * draining, request_timeout, or cancelled when the client goes away. The request is left paused when it fails; admitted bytes stay
 * admitted.
 */
export function readBody(
  request: IncomingMessage,
  body: BodyBuffer,
  bytesMax: number,
  admitted: AdmittedBytes,
  watch: BodyWatch,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const announced = announcedLength(request, bytesMax)
    const reading: Reading = { idleChecks: 0, fail: (error) => finish(error) }

    const finish = (error: unknown) => {
      watch.delete(reading)
      request.off('data', onData)
      request.off('end', onEnd)
      request.off('close', onClose)
      if (error === undefined) {
        request.off('error', onError)
        resolve()
        return
      }
      // The listener for `error` stays: a request that is cut off later reports it once more.
      request.pause()
      reject(error)
    }
    const onData = (chunk: Buffer) => {
      reading.idleChecks = 0
      const length = body.length + chunk.length
      if (length > bytesMax) return finish(tooLarge(bytesMax))
      try {
        admitted.cover(length, announced)
      } catch (error) {
        return finish(error)
      }
      body.append(chunk)
    }
    const onEnd = () => finish(undefined)
    const onError = () => finish(gone())
    const onClose = () => finish(gone())

    if (request.destroyed && !request.complete) return reject(gone())
    if (announced !== undefined) admitted.cover(Math.min(announced, 1), announced)
    request.on('data', onData)
    request.on('end', onEnd)
    request.on('error', onError)
    request.on('close', onClose)
    watch.addBounded(reading)
  })
}

/**
 * The body of a request, chunk by chunk, of any length, as fast as it is asked for. Throws request_timeout when nothing comes for a while, cancelled when the
 * client goes away, or the reason of `stop`. The request is left paused when it is not read to its end.
 */
export async function* bodyChunks(
  request: IncomingMessage,
  watch: BodyWatch,
  stop: AbortSignal,
): AsyncGenerator<Buffer> {
  const interruption = new Interruption()
  const reading: Reading = { idleChecks: 0, fail: (error) => interruption.fail(error) }
  const onStop = () => interruption.fail(stop.reason)
  if (stop.aborted) onStop()
  stop.addEventListener('abort', onStop, { once: true })
  // It stays: a request that is cut off later reports it once more.
  request.on('error', () => interruption.fail(gone()))
  const chunks = request.iterator({ destroyOnReturn: false })
  try {
    for (;;) {
      // While a chunk is being used, nobody waits for the sender.
      reading.idleChecks = 0
      watch.add(reading)
      const next = await interruption.during(chunks.next())
      watch.delete(reading)
      if (next.done === true) break
      yield next.value as Buffer
    }
    if (!request.complete) throw gone()
  } catch (error) {
    throw error instanceof WeirError ? error : gone()
  } finally {
    watch.delete(reading)
    stop.removeEventListener('abort', onStop)
    if (!request.complete) request.pause()
  }
}

function gone(): WeirError {
  return new WeirError('cancelled', 'The client went away')
}
