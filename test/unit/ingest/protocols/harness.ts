import { DecodedBody, type Decoding } from '../../../../ingest/protocols/decoded-body.ts'
import type { ByteRoom } from '../../../../ingest/protocols/json-writer.ts'

/** Buffers of just the size that is asked for, so that growing is tried often. */
export const smallRoom: ByteRoom = { acquire: (bytes) => Buffer.alloc(bytes, 0x0a), release: () => {} }

/** Decodes a whole request. */
export function decoded(source: Buffer, decode: (source: Buffer, into: DecodedBody) => Decoding): DecodedBody {
  const into = new DecodedBody(source, smallRoom, 0)
  for (const steps = decode(source, into); steps.next().done !== true; );
  return into
}

/** The records as values; a refusal's code where one was refused. */
export function recordsOf(body: DecodedBody): unknown[] {
  const lines = body.json.bytes().toString().split('\n')
  if (lines.pop() !== '') throw new Error('the last line is not ended')
  if (lines.length !== body.count) throw new Error(`${lines.length} lines for ${body.count} records`)
  return lines.map((line, i) => body.refusalOf(i)?.code ?? JSON.parse(line))
}
