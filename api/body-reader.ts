import type { IncomingMessage } from 'node:http'
import type { Clock, Timer } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import { HTTP_BODY_IDLE_MAX_MS } from '../base/limits.ts'
import type { AdmittedBytes } from './admitted-bytes.ts'
import type { BodyBuffer } from './body-pool.ts'

/** Notices bodies that stand still. One timer for all, so that a body costs an entry in a set. */
export class BodyWatch {
  readonly #readings = new Set<Reading>()
  readonly #timer: Timer

  constructor(clock: Clock) {
    this.#timer = clock.every(HTTP_BODY_IDLE_MAX_MS / 4, () => this.#check())
  }

  add(reading: Reading): void {
    this.#readings.add(reading)
  }

  delete(reading: Reading): void {
    this.#readings.delete(reading)
  }

  stop(): void {
    this.#timer.cancel()
  }

  #check(): void {
    for (const reading of this.#readings) {
      if (++reading.idleChecks > 4) reading.fail(new WeirError('request_timeout', 'The body stands still'))
    }
  }
}

interface Reading {
  idleChecks: number
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
    watch.add(reading)
  })
}

function gone(): WeirError {
  return new WeirError('cancelled', 'The client went away')
}
