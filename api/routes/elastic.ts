import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { BulkItems, decodeElasticBulk } from '../../ingest/protocols/elastic-bulk.ts'
import { REJECT_CATALOGUE, type RejectCode } from '../../ingest/reject.ts'
import { elasticBulk, elasticBulkOfIndex } from '../contract/elastic.ts'
import { sendParts } from '../json-parts.ts'
import type { ProblemDocument } from '../problem.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

/** Clients of Elasticsearch want to see this before anything else. */
const PRODUCT = { 'x-elastic-product': 'Elasticsearch' }
const ELASTIC_JSON = 'application/json'

/** Elasticsearch's bulk protocol. */
export function elasticRoutes({ options, door, decodedIngest }: IngestContext): Route[] {
  const { clock } = options

  async function bulk(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a bulk request')
    const { index } = request.params as { readonly index?: string }
    const startedMs = clock.monotonicMs()
    return door.take(request, reply, async (body) => {
      const items = new BulkItems()
      const receipt = await decodedIngest.ingest(
        { tenant, protocol: 'elastic', namesAllRejects: true },
        body,
        (source, into) => decodeElasticBulk(source, into, items, index),
      )
      body.letGo()
      reply.headers(PRODUCT)
      const tookMs = Math.round(clock.monotonicMs() - startedMs)
      return sendParts(reply, ELASTIC_JSON, bulkAnswer(items, receipt, tookMs), clock)
    })
  }

  return [elasticBulk, elasticBulkOfIndex].map((endpoint) => ({
    endpoint,
    handler: bulk,
    readsBody: true,
    errorWords: elasticError,
  }))
}

/** Parts of the answer: an item for each document, in order. */
function* bulkAnswer(items: BulkItems, receipt: IngestReceipt, tookMs: number): Generator<string> {
  const { records, codes } = present(receipt.allRejects, 'rejects of a bulk request')
  const reasons = new Map(receipt.errors.map(({ index, reason }) => [index, reason]))
  yield `{"took":${tookMs},"errors":${records.length > 0},"items":[`
  let nextReject = 0
  for (let item = 0; item < items.count; item++) {
    const { action, index } = items.target(items.targetOf(item))
    const id = items.idOf(item)
    const head = `${item === 0 ? '' : ','}{"${action}":{"_index":${JSON.stringify(index)}${id === undefined ? '' : `,"_id":${JSON.stringify(id)}`}`
    if (records[nextReject] === item) {
      const code = codes[nextReject++]!
      const reason = reasons.get(item) ?? REJECT_CATALOGUE[code].title
      yield `${head},"status":${code === 'overloaded' ? 429 : 400},"error":{"type":"${typeOf(code)}","reason":${JSON.stringify(reason)}}}}`
    } else yield `${head},"status":201,"result":"created"}}`
  }
  yield ']}'
}

function typeOf(code: RejectCode): string {
  if (code === 'overloaded') return 'es_rejected_execution_exception'
  return code === 'unsupported_action' ? 'illegal_argument_exception' : 'document_parsing_exception'
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'security_exception',
  403: 'security_exception',
  404: 'resource_not_found_exception',
  413: 'content_too_long_exception',
  429: 'es_rejected_execution_exception',
  503: 'unavailable_exception',
}

function elasticError({ status, detail }: ProblemDocument) {
  const cause = { type: TYPES[status] ?? (status < 500 ? 'illegal_argument_exception' : 'exception'), reason: detail }
  return {
    status,
    contentType: ELASTIC_JSON,
    text: JSON.stringify({ error: { root_cause: [cause], ...cause }, status }),
    headers: PRODUCT,
  }
}
