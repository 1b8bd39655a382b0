import {
  FIELD_HOST,
  FIELD_LEVEL,
  FIELD_MESSAGE,
  FIELD_SERVICE,
  FIELD_SPAN_ID,
  FIELD_TRACE_ID,
} from '../base/columns.ts'

/** The record's time, which is no column. */
export const FIELD_TIMESTAMP = 'timestamp'

/** Known fields and the names under which senders know them: the aliases of ingest (docs/query-language.md). */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  [FIELD_TIMESTAMP]: ['@timestamp', 'time', 'ts', '_time', 'date'],
  [FIELD_LEVEL]: ['severity', 'severity_text', 'loglevel', 'lvl', 'severity_number', 'log.level', 'log\\.level'],
  [FIELD_SERVICE]: ['source', 'service.name', 'service\\.name', 'service_name', 'app', 'app_name', 'job'],
  [FIELD_MESSAGE]: ['msg', 'log', '_msg', 'body'],
  [FIELD_HOST]: ['hostname', 'host.name', 'host\\.name'],
  [FIELD_TRACE_ID]: ['trace_id', 'trace.id', 'trace\\.id', 'correlationId', 'correlation_id', 'requestId'],
  [FIELD_SPAN_ID]: ['span_id', 'span.id', 'span\\.id'],
}

const CANONICAL: ReadonlyMap<string, string> = new Map(
  Object.entries(ALIASES).flatMap(([field, aliases]) => aliases.map((alias): [string, string] => [alias, field])),
)

/** The known field that `path` (canonical) is a name of, else `path` itself. */
export function resolvedField(path: string): string {
  return CANONICAL.get(path) ?? path
}

/** Levels by rising weight, as the column `level` holds them. */
export const LEVELS: readonly string[] = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']

const LEVEL_WORDS: readonly (readonly string[])[] = [
  ['verbose', 'silly', 'finest', 'finer'],
  ['dbg', 'fine', 'config'],
  ['information', 'informational', 'notice'],
  ['warning'],
  ['err', 'severe', 'failure'],
  ['critical', 'crit', 'alert', 'emergency', 'emerg', 'panic'],
]

const LEVEL_OF_WORD: ReadonlyMap<string, string> = new Map(
  LEVEL_WORDS.flatMap((words, i) => words.map((word): [string, string] => [word, LEVELS[i]!])),
)

/** The level that records of level `text` were stored under: `warning` → WARN; an unknown one in upper case. */
export function normalisedLevel(text: string): string {
  return LEVEL_OF_WORD.get(text.toLowerCase()) ?? text.toUpperCase()
}
