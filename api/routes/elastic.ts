import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IngestReceipt } from '../../actors/messages/ingest.ts'
import { present } from '../../base/assert.ts'
import { BulkItems, decodeElasticBulk } from '../../ingest/protocols/elastic-bulk.ts'
import { JsonWriter, jsonKey } from '../../ingest/protocols/json-writer.ts'
import { REJECT_CATALOGUE, type RejectCode } from '../../ingest/reject.ts'
import { sendByteParts } from '../byte-parts.ts'
import { elasticBulk, elasticBulkByPut, elasticBulkOfIndex, elasticBulkOfIndexByPut } from '../contract/elastic.ts'
import { ELASTIC_HEADERS, elasticContentType, elasticError } from '../elastic-words.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

const PART_BYTES = 64 * 1024
const COMMA = 0x2c

const TOOK = jsonKey('took')
const ERRORS = jsonKey('errors')
const ITEMS = jsonKey('items')
const INDEX = jsonKey('_index')
const ID = jsonKey('_id')
const STATUS = jsonKey('status')
const ERROR = jsonKey('error')

/** Elasticsearch's bulk protocol. */
export function elasticRoutes({ options, door, decodedIngest }: IngestContext): Route[] {
  const { clock } = options

  async function bulk(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of a bulk request')
    const { index } = request.params as { readonly index?: string }
    const isSparing = sparesBytes(request.query as Readonly<Record<string, unknown>>)
    const startedMs = clock.monotonicMs()
    return door.take(request, reply, async (body) => {
      const items = new BulkItems()
      const receipt = await decodedIngest.ingest(
        { tenant, protocol: 'elastic', namesAllRejects: true },
        body,
        (source, into) => decodeElasticBulk(source, into, items, index),
      )
      const tookMs = Math.round(clock.monotonicMs() - startedMs)
      const answer = new BulkAnswer(body.bytes, items, receipt, isSparing)
      reply.headers(ELASTIC_HEADERS)
      return sendByteParts(reply, elasticContentType(request.headers), answer.parts(tookMs), clock, body.letGo)
    })
  }

  return [elasticBulk, elasticBulkByPut, elasticBulkOfIndex, elasticBulkOfIndexByPut].map((endpoint) => ({
    endpoint,
    handler: bulk,
    readsBody: true,
    errorWords: elasticError,
  }))
}

/** Whether `filter_path` leaves status and error of items only, in the form that agents use to spare bytes; any other form leaves all. */
function sparesBytes({ filter_path: filter }: Readonly<Record<string, unknown>>): boolean {
  if (typeof filter !== 'string') return false
  const paths = filter.split(',')
  return (
    ['errors', 'items.*.error', 'items.*.status'].every((path) => paths.includes(path)) &&
    paths.every((path) => /^(?:took|errors|items\.\*\.(?:error|status|error\..*))$/.test(path))
  )
}

/** The answer to a bulk request: an item for each document, in order. */
class BulkAnswer {
  readonly #source: Buffer
  readonly #items: BulkItems
  readonly #receipt: IngestReceipt
  readonly #isSparing: boolean
  readonly #json = new JsonWriter({ acquire: (bytes) => Buffer.allocUnsafe(bytes), release: () => {} }, PART_BYTES)
  /** By target: the item of a stored document without an id, and the key that an item begins with. */
  readonly #stored: Buffer[] = []
  readonly #actions: Buffer[] = []

  constructor(source: Buffer, items: BulkItems, receipt: IngestReceipt, isSparing: boolean) {
    this.#source = source
    this.#items = items
    this.#receipt = receipt
    this.#isSparing = isSparing
  }

  *parts(tookMs: number): Generator<Buffer> {
    const json = this.#json
    const items = this.#items
    const { records, codes } = present(this.#receipt.allRejects, 'rejects of a bulk request')
    const reasons = new Map(this.#receipt.errors.map(({ index, reason }) => [index, reason]))
    json.openObject()
    json.key(TOOK)
    json.number(tookMs)
    json.key(ERRORS)
    json.boolean(records.length > 0)
    json.key(ITEMS)
    json.openArray()
    let nextReject = 0
    for (let item = 0; item < items.count; item++) {
      const target = items.targetOf(item)
      const id = items.idOf(this.#source, item)
      if (records[nextReject] === item) {
        const code = codes[nextReject++]!
        this.#open(target, id)
        json.key(ERROR)
        json.value({ type: typeOf(code), reason: reasons.get(item) ?? REJECT_CATALOGUE[code].title })
        this.#close(code === 'overloaded' ? 429 : 400)
      } else if (id !== undefined) {
        this.#open(target, id)
        this.#close(201)
      } else {
        const stored = this.#stored[target]
        if (stored !== undefined) json.jsonLine(stored, 0, stored.length)
        else {
          const before = json.length
          this.#open(target, undefined)
          this.#close(201)
          const text = json.bytes().subarray(before)
          this.#stored[target] = Buffer.from(text[0] === COMMA ? text.subarray(1) : text)
        }
      }
      if (json.length > PART_BYTES) yield json.take()
    }
    json.closeArray()
    json.closeObject()
    yield json.take()
  }

  /** `{"create":{` and what names the document. */
  #open(target: number, id: Buffer | undefined): void {
    const json = this.#json
    const { action, index } = this.#items.target(target)
    this.#actions[target] ??= jsonKey(action)
    json.openObject()
    json.key(this.#actions[target])
    json.openObject()
    if (this.#isSparing) return
    json.key(INDEX)
    json.string(index)
    if (id === undefined) return
    json.key(ID)
    json.jsonLine(id, 0, id.length)
  }

  #close(status: number): void {
    const json = this.#json
    json.key(STATUS)
    json.number(status)
    json.closeObject()
    json.closeObject()
  }
}

function typeOf(code: RejectCode): string {
  if (code === 'overloaded') return 'es_rejected_execution_exception'
  return code === 'unsupported_action' ? 'illegal_argument_exception' : 'document_parsing_exception'
}
