import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { decodeLokiJson, decodeLokiProtobuf } from '../../ingest/protocols/loki-push.ts'
import { inflateSnappy, snappyLength } from '../../ingest/protocols/snappy.ts'
import { type BodyEncoding, bodyEncoding } from '../body-format.ts'
import { tooLarge } from '../body-reader.ts'
import { lokiPush } from '../contract/loki.ts'
import type { ErrorWords } from '../error-words.ts'
import type { HeldBody } from '../ingest-door.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

const TEXT_CONTENT_TYPE = 'text/plain; charset=utf-8'
/** Entries that an answer names. */
const NAMED_MAX = 10

/** Loki's push protocol. */
export function lokiRoutes({ options, door, decodedIngest }: IngestContext): Route[] {
  const { clock, inflatedBytesMax } = options

  async function push(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a push')
    const about = { tenant, protocol: 'loki', takenWhole: true }
    const isJson = isJsonType(request.raw.headers['content-type'])
    const receipt = await door.take(
      request,
      reply,
      async (body) => {
        if (isJson) {
          const stored = await decodedIngest.ingest(about, body, decodeLokiJson)
          body.letGo()
          return stored
        }
        const { buffer, bytes } = await inflated(body)
        const stored = await decodedIngest.ingest(about, { ...body, bytes }, decodeLokiProtobuf)
        door.pool.release(buffer)
        return stored
      },
      { encodingOf },
    )
    return receipt.rejected === 0
      ? reply.code(204).send()
      : reply.code(400).header('content-type', TEXT_CONTENT_TYPE).send(refusalText(receipt))
  }

  /** The block that the body is, in a buffer of the pool; the body is let go. */
  async function inflated({ bytes: sent, admitted, signal, letGo }: HeldBody) {
    const length = snappyLength(sent)
    if (length > inflatedBytesMax) throw tooLarge(inflatedBytesMax)
    admitted.cover(sent.length + length, sent.length + length)
    const buffer = door.pool.acquire(length)
    const bytes = buffer.subarray(0, length)
    for (const steps = inflateSnappy(sent, bytes); steps.next().done !== true; ) {
      await clock.yieldTurn()
      if (signal.aborted) throw signal.reason
    }
    letGo()
    admitted.shrinkTo(length)
    return { buffer, bytes }
  }

  return [{ endpoint: lokiPush, handler: push, readsBody: true, errorWords: lokiError }]
}

/** Loki takes any other type for protobuf. */
function isJsonType(contentType: string | undefined): boolean {
  return /^\s*application\/json\s*(?:;|$)/i.test(contentType ?? '')
}

/** Protobuf is a snappy block, whether the encoding is said or not. */
function encodingOf(headers: IncomingHttpHeaders): BodyEncoding {
  const said = headers['content-encoding']
  return !isJsonType(headers['content-type']) && said?.trim().toLowerCase() === 'snappy'
    ? 'identity'
    : bodyEncoding(said)
}

/** Lines as Loki has them: clients show them to people, and do not send the request again. */
function refusalText({ accepted, rejected, errors }: IngestReceipt): string {
  const named = errors.slice(0, NAMED_MAX).map(({ index, reason }) => `entry ${index} ignored, reason: '${reason}',\n`)
  return `${named.join('')}total ignored: ${rejected} out of ${accepted + rejected}\n`
}

/** Errors as Loki words them: a line of text. Clients send again what is 429 or 5xx. */
const lokiError: ErrorWords = ({ status, detail }) => ({
  status,
  contentType: TEXT_CONTENT_TYPE,
  text: `${detail}\n`,
})
