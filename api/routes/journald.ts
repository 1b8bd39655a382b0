import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { present } from '../../base/assert.ts'
import { decodeJournald } from '../../ingest/protocols/journald.ts'
import { journaldUpload } from '../contract/journald.ts'
import type { ErrorWords } from '../error-words.ts'
import type { Route } from '../route.ts'
import type { IngestContext } from '../server-options.ts'

const TEXT_TYPE = 'text/plain; charset=utf-8'
const CURSOR = '__CURSOR='
/** Longer ones are none. */
const CURSOR_BYTES_MAX = 1024

/** What systemd-journal-upload shows in its own log. */
const journaldError: ErrorWords = ({ status, detail }) => ({
  // It gives up, and its service begins anew at the last entry that was taken, whatever the status is; 503 says best what is meant.
  status: status === 429 ? 503 : status,
  contentType: TEXT_TYPE,
  text: `${detail}\n`,
})

/** Uploads of systemd-journal-upload. */
export function journaldRoutes({ door, decodedIngest }: IngestContext): Route[] {
  async function upload(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { tenant } = present(request.access, 'access of an upload')
    return door.take(request, reply, async (body) => {
      const idempotencyKey = keyOf(body.bytes)
      const about = {
        tenant,
        protocol: 'journald',
        takenWhole: true,
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      }
      const { accepted, rejected, repeated } = await decodedIngest.ingest(about, body, decodeJournald)
      body.letGo()
      if (repeated) reply.header('idempotent-replayed', 'true')
      const refused = rejected === 0 ? '' : ` ${accepted} entries are stored, ${rejected} were refused.`
      return reply.header('content-type', TEXT_TYPE).send(`OK.${refused}\n`)
    })
  }

  return [{ endpoint: journaldUpload, handler: upload, readsBody: true, errorWords: journaldError }]
}

/** The same for an upload that comes again from the same entry to the same entry (D3); undefined where entries have no cursor. */
function keyOf(body: Buffer): string | undefined {
  const first = body.indexOf(CURSOR)
  if (first < 0) return undefined
  const last = body.lastIndexOf(CURSOR)
  const hash = createHash('sha256').update(`${body.length}\n`)
  for (const at of [first, last]) hash.update(body.subarray(at, at + CURSOR_BYTES_MAX))
  return `journald-${hash.digest('hex')}`
}
