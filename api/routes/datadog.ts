import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { WeirError } from '../../base/errors.ts'
import { type DatadogDefaults, datadogMembers, decodeDatadog } from '../../ingest/protocols/datadog.ts'
import { decodeTextLines } from '../../ingest/protocols/text-lines.ts'
import { datadogInput, datadogLogs, datadogValidate } from '../contract/datadog.ts'
import { datadogError, datadogErrors, datadogPlainError } from '../datadog-words.ts'
import type { WordedError } from '../error-words.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

/** Datadog's logs API. */
export function datadogRoutes({ door, decodedIngest }: IngestContext): Route[] {
  const storing = (statusOfSuccess: number) => async (request: FastifyRequest, reply: FastifyReply) => {
    const { tenant } = present(request.access, 'access of a request with entries')
    const defaults = defaultsOf(request.query as Readonly<Record<string, unknown>>)
    const isText = request.headers['content-type']?.startsWith('text/plain') === true
    return door.take(request, reply, async (body) => {
      if (body.bytes.length === 0) throw new WeirError('invalid_body', 'The body is empty')
      const about = { tenant, protocol: 'datadog', takenWhole: true }
      const receipt = await decodedIngest.ingest(about, body, (source, into) =>
        isText
          ? decodeTextLines(source, into, { members: datadogMembers(defaults) })
          : decodeDatadog(source, into, defaults),
      )
      body.letGo()
      if (receipt.rejected > 0) return send(reply, refusal(receipt))
      return send(reply, { status: statusOfSuccess, contentType: JSON_CONTENT_TYPE, text: '{}' })
    })
  }
  const valid = { status: 200, contentType: JSON_CONTENT_TYPE, text: '{"valid":true}' }

  return [
    { endpoint: datadogLogs, handler: storing(202), readsBody: true, errorWords: datadogError },
    { endpoint: datadogInput, handler: storing(200), readsBody: true, errorWords: datadogError },
    { endpoint: datadogValidate, handler: (_request, reply) => send(reply, valid), errorWords: datadogPlainError },
  ]
}

function send(reply: FastifyReply, { status, contentType, text }: WordedError): FastifyReply {
  return reply.code(status).header('content-type', contentType).send(text)
}

/** The answer to a request with refused entries, an error for each that is known: its clients do not send that again, and the others are stored. */
function refusal({ accepted, rejected, errors }: IngestReceipt): WordedError {
  const details = errors.map(({ index, reason }) => `entry ${index}: ${reason}`)
  if (rejected > errors.length) details.push(`${rejected} entries were refused, ${accepted} are stored`)
  return datadogErrors(400, details)
}

function defaultsOf({ ddsource, ddtags, hostname, service }: Readonly<Record<string, unknown>>): DatadogDefaults {
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
  return { ddsource: text(ddsource), ddtags: text(ddtags), hostname: text(hostname), service: text(service) }
}
