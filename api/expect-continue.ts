import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** Requests whose sender waits for leave to send the body (RFC 9110, Expect: 100-continue). */
const waiting = new WeakSet<IncomingMessage>()

/** Hands requests that expect `100 Continue` to `route` like any other, so that a refusal comes before the body and not after it. */
export function deferContinue(
  server: Server,
  route: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.add(request)
    route(request, response)
  })
}

/** True when the sender still waits, so that nothing of the body is on its way. */
export function awaitsContinue(request: IncomingMessage): boolean {
  return waiting.has(request)
}

/** To be called before the body of `request` is read. */
export function continueBody(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.expect !== undefined && waiting.delete(request)) response.writeContinue()
}
