import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { decodeOtlpJson } from '../../ingest/protocols/otlp-json.ts'
import { decodeOtlpProtobuf } from '../../ingest/protocols/otlp-protobuf.ts'
import { JSON_TYPE, PROTOBUF_TYPE } from '../contract/common.ts'
import { otlpLogs, otlpLogsOfBase } from '../contract/otlp.ts'
import type { ErrorWords } from '../error-words.ts'
import { otlpAnswer, otlpRefusal, rpcStatus } from '../otlp-words.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

/** Codes of google.rpc.Code by status. */
const RPC_CODES: Readonly<Record<number, number>> = { 400: 3, 401: 16, 403: 7, 404: 5, 413: 3, 415: 3, 429: 8, 503: 14 }
const RPC_INTERNAL = 13

/** OTLP over HTTP. */
export function otlpRoutes({ door, decodedIngest }: IngestContext): Route[] {
  async function exportLogs(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of an export')
    const type = typeOf(request.raw.headers['content-type'])
    if (type === undefined) {
      throw new WeirError('unsupported_media_type', `Records come as ${JSON_TYPE} or ${PROTOBUF_TYPE}`)
    }
    const decode = type === JSON_TYPE ? decodeOtlpJson : decodeOtlpProtobuf
    const receipt = await door.take(request, reply, async (body) => {
      const stored = await decodedIngest.ingest({ tenant, protocol: 'otlp', takenWhole: true }, body, decode)
      body.letGo()
      return stored
    })
    return reply.header('content-type', type).send(type === JSON_TYPE ? jsonAnswer(receipt) : otlpAnswer(receipt))
  }

  return [otlpLogs, otlpLogsOfBase].map((endpoint) => ({
    endpoint,
    handler: exportLogs,
    readsBody: true,
    errorWords: otlpError,
  }))
}

function typeOf(contentType: string | undefined): string | undefined {
  const type = contentType?.replace(/;.*/s, '').trim().toLowerCase()
  if (type === JSON_TYPE) return JSON_TYPE
  return type === PROTOBUF_TYPE || type === 'application/protobuf' ? PROTOBUF_TYPE : undefined
}

function jsonAnswer(receipt: IngestReceipt): string {
  if (receipt.rejected === 0) return '{"partialSuccess":{}}'
  return JSON.stringify({
    partialSuccess: { rejectedLogRecords: String(receipt.rejected), errorMessage: otlpRefusal(receipt) },
  })
}

/** Errors as google.rpc.Status{code: 1, message: 2}, in the type of the request. Exporters send again 429, 502, 503 and 504. */
const otlpError: ErrorWords = ({ status, detail }, _error, requestHeaders) => {
  const code = RPC_CODES[status] ?? RPC_INTERNAL
  if (typeOf(requestHeaders['content-type']) !== PROTOBUF_TYPE) {
    return { status, contentType: JSON_TYPE, text: JSON.stringify({ code, message: detail }) }
  }
  // Every byte but those of the message is below 0x80, so the text's UTF-8 is the protobuf.
  return { status, contentType: PROTOBUF_TYPE, text: rpcStatus(code, detail).toString('utf8') }
}
