/**
 * Fields that have a meaning, and the names by which senders call them. Names are canonical paths: `service.name` is
 * {"service":{"name":…}}, `service\.name` the flat key. The first listed name that a record has wins.
 */
export const KNOWN_TIMESTAMP = 0
export const KNOWN_LEVEL = 1
export const KNOWN_SERVICE = 2
export const KNOWN_MESSAGE = 3
export const KNOWN_HOST = 4
/** With traceId (5) and spanId (6), of which nothing is asked but their name. */
export const KNOWN_COUNT = 7

/** Field (KNOWN_*) → its own name, then its aliases in order of preference. */
export const KNOWN_NAMES: readonly (readonly string[])[] = [
  ['timestamp', '@timestamp', 'time', 'ts', '_time', 'date'],
  [
    'level',
    'severity',
    'severity_text',
    'loglevel',
    'lvl',
    'severity_number',
    'log.level',
    'log\\.level',
    'detected_level',
  ],
  [
    'service',
    'source',
    'service.name',
    'service\\.name',
    'service_name',
    'app',
    'app_name',
    'job',
    'data_stream.dataset',
    'data_stream\\.dataset',
  ],
  ['message', 'msg', 'log', '_msg', 'body'],
  ['host', 'hostname', 'host.name', 'host\\.name'],
  ['traceId', 'trace_id', 'trace.id', 'trace\\.id', 'correlationId', 'correlation_id', 'requestId'],
  ['spanId', 'span_id', 'span.id', 'span\\.id'],
]

/** OpenTelemetry's number for a level; read on its own scale, 1 to 24. */
export const NAME_SEVERITY_NUMBER = 'severity_number'

/** Names that an answer uses for facts of ours: a sender's field of that name moves under `metadata` (S8). */
export const HIDDEN_NAMES: readonly string[] = ['id', 'ingestedAt']
export const HIDDEN_PREFIX = 'metadata.'

/**
 * What a path stands for, packed so that the scanner tests one number: 0 nothing; otherwise (field + 1) << 5 | rank.
 * Rank 0 is left to a name that the request chose itself; the listed names have 1, 2, …
 */
export const KNOWN_RANK_BITS = 5
export const KNOWN_RANK_MASK = (1 << KNOWN_RANK_BITS) - 1
export const KNOWN_RANK_CHOSEN = 0
export const KNOWN_RANK_OWN = 1
/** Code of a hidden name. */
export const KNOWN_HIDDEN = (KNOWN_COUNT + 1) << KNOWN_RANK_BITS

export function knownCode(field: number, rank: number): number {
  return ((field + 1) << KNOWN_RANK_BITS) | rank
}

const CODE_OF_NAME: ReadonlyMap<string, number> = new Map([
  ...KNOWN_NAMES.flatMap((names, field) => names.map((name, i): [string, number] => [name, knownCode(field, i + 1)])),
  ...HIDDEN_NAMES.map((name): [string, number] => [name, KNOWN_HIDDEN]),
])

/** The packed code of a canonical path, 0 when it is nothing special. */
export function knownCodeOf(path: string): number {
  return CODE_OF_NAME.get(path) ?? 0
}
