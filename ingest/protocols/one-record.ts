import { type DatadogDefaults, decodeDatadog } from './datadog.ts'
import type { DecodedBody, Decoding } from './decoded-body.ts'
import { decodeHecEvents } from './hec.ts'
import { decodeJournald } from './journald.ts'

type Decode = (source: Buffer, into: DecodedBody) => Decoding

const NO_DEFAULTS: DatadogDefaults = {}

/** By protocol, where a record alone is a request: others mean something only by what stands around them, such as the labels of a stream. */
const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['hec', decodeHecEvents],
  ['datadog', (source, into) => decodeDatadog(source, into, NO_DEFAULTS)],
  ['journald', decodeJournald],
])

/** The decoder of a request that is one record of the protocol; undefined where there is no such. */
export function decoderOfOneRecord(protocol: string): Decode | undefined {
  return DECODERS.get(protocol)
}
