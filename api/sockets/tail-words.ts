import type { RecordJson } from '../../actors/messages/search.ts'
import type { TailQuery, TailStart } from '../../actors/messages/tail.ts'
import { WeirError } from '../../base/errors.ts'
import { TAIL_LAST_DEFAULT } from '../../base/limits.ts'
import { TailFilterParameters, TailStartParameters } from '../contract/tails.ts'
import { ParameterReader } from '../parameters.ts'
import { problemOf } from '../problem.ts'

/** What the client of a tail asks for. */
export type TailCommand =
  | { readonly kind: 'subscribe'; readonly start: TailStart }
  | { readonly kind: 'update'; readonly query: TailQuery }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }

const COMMANDS = ['subscribe', 'update', 'pause', 'resume'] as const
const startReader = new ParameterReader(TailStartParameters)
const filterReader = new ParameterReader(TailFilterParameters)

/** A message of a client: `{"subscribe":{…}}`, `{"update":{…}}`, `{"pause":true}`, `{"resume":true}`. Throws invalid_body, invalid_parameter. */
export function tailCommandOf(text: string): TailCommand {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch (error) {
    throw new WeirError('invalid_body', `The message is not JSON: ${(error as Error).message.slice(0, 200)}`)
  }
  const entries =
    typeof message === 'object' && message !== null && !Array.isArray(message) ? Object.entries(message) : []
  const [name, value] = entries[0] ?? ['', undefined]
  const kind = COMMANDS.find((command) => command === name)
  if (kind === undefined || entries.length !== 1) {
    throw new WeirError('invalid_body', `A message is a JSON object with one of: ${COMMANDS.join(', ')}`)
  }
  if (kind === 'pause' || kind === 'resume') {
    if (value !== true) throw new WeirError('invalid_parameter', `\`${kind}\` must be true`, { parameter: kind })
    return { kind }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeirError('invalid_parameter', `\`${kind}\` must be an object`, { parameter: kind })
  }
  const values = { ...(value as Record<string, unknown>) }
  return kind === 'subscribe'
    ? { kind, start: tailStartOf(startReader.ofValues(values)) }
    : { kind, query: tailQueryOf(filterReader.ofValues(values)) }
}

export function tailStartOf(parameters: TailStartParameters): TailStart {
  const { cursor, last } = parameters
  return {
    ...tailQueryOf(parameters),
    ...(cursor === undefined || cursor === '' ? {} : { cursor }),
    last: last ?? TAIL_LAST_DEFAULT,
  }
}

/** Parameters that are empty narrow nothing. */
function tailQueryOf({ query, service, level, host, traceId }: TailFilterParameters): TailQuery {
  return {
    query: query ?? '',
    ...(service ? { service } : {}),
    ...(level ? { level } : {}),
    ...(host ? { host } : {}),
    ...(traceId ? { traceId } : {}),
  }
}

// Messages to the client, each a JSON object.

export const HEARTBEAT_MESSAGE = '{"type":"heartbeat"}'

export function logMessage(record: RecordJson): string {
  return `{"type":"log","log":${record}}`
}

export function droppedMessage(count: number): string {
  return JSON.stringify({ type: 'dropped', count })
}

/** Of a type that has nothing but a cursor: subscribed, cursor, paused. */
export function cursorMessage(type: 'subscribed' | 'cursor' | 'paused', cursor: string): string {
  return JSON.stringify({ type, cursor })
}

/** `isFinal`: nothing follows; `cursor` says where another tail may go on. */
export function errorMessage(
  error: WeirError,
  path: string,
  requestId: string,
  isFinal = false,
  cursor?: string,
): string {
  const problem = problemOf(error, path, requestId)
  return JSON.stringify({
    ...problem,
    type: 'error',
    retryable: error.retryable,
    ...(isFinal ? { final: true } : {}),
    ...(cursor === undefined ? {} : { cursor }),
  })
}
