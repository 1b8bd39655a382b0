import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Answer = (response: ServerResponse, request: ReceivedRequest, count: number) => void

export interface WebhookReceiver {
  readonly url: string
  /** The oldest first. */
  readonly requests: ReceivedRequest[]
  /** How requests are answered from now on; default 200. */
  answer: Answer
}

/** An HTTP server on a free port of the loopback, that keeps what it is sent; over TLS where it has a certificate. Closed with the test. */
export async function startWebhookReceiver(
  t: TestContext,
  tls?: { readonly certificate: string; readonly key: string },
): Promise<WebhookReceiver> {
  const requests: ReceivedRequest[] = []
  const listen: RequestListener = async (incoming, response) => {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part as Buffer)
    const { method = '', url = '', headers } = incoming
    const request = { method, path: url, headers, body: Buffer.concat(parts).toString() }
    requests.push(request)
    receiver.answer(response, request, requests.length)
  }
  const server =
    tls === undefined ? createServer(listen) : createTlsServer({ cert: tls.certificate, key: tls.key }, listen)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const receiver: WebhookReceiver = {
    url: `http${tls === undefined ? '' : 's'}://127.0.0.1:${port}`,
    requests,
    answer: (response) => response.end('ok'),
  }
  return receiver
}
