import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { HTTP_LINGER_BYTES_MAX, HTTP_LINGER_MS } from '../base/limits.ts'
import { awaitsContinue } from './expect-continue.ts'

/** A rest of this size arrives before anybody notices; the connection is kept. */
const SMALL_BODY_BYTES = 64 * 1024

/** True when much of the request's body has not been read, so that the connection is no use for another request. */
export function hasUnreadBody(request: IncomingMessage): boolean {
  if (request.complete) return false
  const { 'content-length': length, 'transfer-encoding': transferEncoding } = request.headers
  return transferEncoding !== undefined || Number(length ?? 0) > SMALL_BODY_BYTES || awaitsContinue(request)
}

/**
 * Answers a request whose body is not wanted and closes the connection: the whole answer is written first, then what still arrives
 * is thrown away for a while. Closing at once would reset the connection, and the client might never read why.
 */
export function answerAndLinger(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: string,
  clock: Clock,
): void {
  response.writeHead(status, { ...headers, connection: 'close', 'content-length': Buffer.byteLength(body) })
  if (awaitsContinue(request)) {
    response.end(body)
    return
  }
  response.write(body)
  let bytes = 0
  let finished = false
  const finish = () => {
    if (finished) return
    finished = true
    timer.cancel()
    request.off('data', onData)
    response.end()
  }
  const timer = clock.after(HTTP_LINGER_MS, finish)
  const onData = (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > HTTP_LINGER_BYTES_MAX) finish()
  }
  request.on('data', onData)
  request.once('end', finish)
  request.once('close', finish)
  // A client that closes while it is still sending is what this waits for.
  request.on('error', finish)
  request.resume()
}
