import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { BulkItems, decodeElasticBulk } from '../../ingest/protocols/elastic-bulk.ts'
import { REJECT_CATALOGUE, type RejectCode } from '../../ingest/reject.ts'
import { elasticBulk, elasticBulkByPut, elasticBulkOfIndex, elasticBulkOfIndexByPut } from '../contract/elastic.ts'
import { ELASTIC_HEADERS, elasticContentType, elasticError } from '../elastic-words.ts'
import { sendParts } from '../json-parts.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

/** Equal items are repeated up to about here before they are handed on. */
const PART_CHARS = 16 * 1024

/** Elasticsearch's bulk protocol. */
export function elasticRoutes({ options, door, decodedIngest }: IngestContext): Route[] {
  const { clock } = options

  async function bulk(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a bulk request')
    const { index } = request.params as { readonly index?: string }
    const fields = itemFields(request.query as Readonly<Record<string, unknown>>)
    const startedMs = clock.monotonicMs()
    return door.take(request, reply, async (body) => {
      const items = new BulkItems()
      const receipt = await decodedIngest.ingest(
        { tenant, protocol: 'elastic', namesAllRejects: true },
        body,
        (source, into) => decodeElasticBulk(source, into, items, index),
      )
      body.letGo()
      reply.headers(ELASTIC_HEADERS)
      const tookMs = Math.round(clock.monotonicMs() - startedMs)
      return sendParts(reply, elasticContentType(request.headers), bulkAnswer(items, receipt, tookMs, fields), clock)
    })
  }

  return [elasticBulk, elasticBulkByPut, elasticBulkOfIndex, elasticBulkOfIndexByPut].map((endpoint) => ({
    endpoint,
    handler: bulk,
    readsBody: true,
    errorWords: elasticError,
  }))
}

interface ItemFields {
  /** `_index`, `_id` and `result`, beside `status` and `error`. */
  readonly all: boolean
}

/** What `filter_path` leaves of items. Only the form is known that agents use to spare bytes; any other leaves all. */
function itemFields({ filter_path: filter }: Readonly<Record<string, unknown>>): ItemFields {
  if (typeof filter !== 'string') return { all: true }
  const paths = filter.split(',')
  const isSparing = ['errors', 'items.*.error', 'items.*.status'].every((path) => paths.includes(path))
  return {
    all: !isSparing || paths.some((path) => !/^(?:took|errors|items\.\*\.(?:error|status|error\..*))$/.test(path)),
  }
}

/** Parts of the answer: an item for each document, in order. */
function* bulkAnswer(items: BulkItems, receipt: IngestReceipt, tookMs: number, fields: ItemFields): Generator<string> {
  const { records, codes } = present(receipt.allRejects, 'rejects of a bulk request')
  const reasons = new Map(receipt.errors.map(({ index, reason }) => [index, reason]))
  yield `{"took":${tookMs},"errors":${records.length > 0},"items":[`
  /** By target: the item of a stored document. */
  const stored: string[] = []
  let part = ''
  let nextReject = 0
  for (let item = 0; item < items.count; item++) {
    const target = items.targetOf(item)
    const id = items.idOf(item)
    if (item > 0) part += ','
    if (records[nextReject] === item) {
      const code = codes[nextReject++]!
      const reason = reasons.get(item) ?? REJECT_CATALOGUE[code].title
      const error = `{"type":"${typeOf(code)}","reason":${JSON.stringify(reason)}}`
      const status = code === 'overloaded' ? 429 : 400
      part += `${headOf(items, target, id, fields)}"status":${status},"error":${error}}}`
    } else if (id !== undefined) {
      part += `${headOf(items, target, id, fields)}${storedRest(fields)}`
    } else {
      stored[target] ??= headOf(items, target, undefined, fields) + storedRest(fields)
      part += stored[target]
    }
    if (part.length > PART_CHARS) {
      yield part
      part = ''
    }
  }
  yield `${part}]}`
}

/** `{"create":{` and what names the document. */
function headOf(items: BulkItems, target: number, id: string | undefined, { all }: ItemFields): string {
  const { action, index } = items.target(target)
  if (!all) return `{"${action}":{`
  return `{"${action}":{"_index":${JSON.stringify(index)},${id === undefined ? '' : `"_id":${JSON.stringify(id)},`}`
}

function storedRest({ all }: ItemFields): string {
  return all ? '"result":"created","status":201}}' : '"status":201}}'
}

function typeOf(code: RejectCode): string {
  if (code === 'overloaded') return 'es_rejected_execution_exception'
  return code === 'unsupported_action' ? 'illegal_argument_exception' : 'document_parsing_exception'
}
