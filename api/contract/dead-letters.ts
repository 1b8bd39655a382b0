import Type, { type Static } from 'typebox'
import { REPLAY_LETTERS_MAX } from '../../base/limits.ts'
import { Coverage, DurationText, JSON_TYPE, NameText, TimeText } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'
import { cursorParameter, limitParameter } from './search.ts'

const LIST_LIMIT_MAX = 1000
export const DEAD_LETTERS_LIMIT_DEFAULT = 100

/** Which letters are meant. */
const narrowing = {
  from: Type.Optional(TimeText('Received from, inclusive; all that is kept when absent.')),
  to: Type.Optional(TimeText('Received before; open when absent.')),
  protocol: Type.Optional(NameText('Only records that came by this protocol: `http`, `elastic`, `loki`, `otlp`, …')),
  code: Type.Optional(NameText('Only records refused with this code.')),
  reason: Type.Optional(NameText('Only records with these words, one after the other, in their reason.')),
}

export const DeadLettersParameters = Type.Object(
  {
    ...narrowing,
    limit: limitParameter(DEAD_LETTERS_LIMIT_DEFAULT, LIST_LIMIT_MAX),
    cursor: cursorParameter,
    timeout: Type.Optional(DurationText('Give up after this long.', '30s')),
  },
  { additionalProperties: false },
)
export type DeadLettersParameters = Static<typeof DeadLettersParameters>

const DeadLetter = Type.Object(
  {
    id: Type.String(),
    receivedAt: Type.String(),
    protocol: Type.String({ description: 'That it came by.' }),
    tenant: Type.String(),
    code: Type.String({ description: 'Why it was refused, for programs.' }),
    reason: Type.String({ description: 'The same for people.' }),
    raw: Type.String({ description: 'The bytes that it came as, at most 64 KiB.' }),
    encoding: Type.Enum(['utf8', 'base64']),
    size: Type.Optional(Type.Integer({ description: 'Bytes of the record, where `raw` is only its beginning.' })),
    pipeline: Type.Optional(Type.String({ description: 'The pipeline of which a step refused it.' })),
    pipelineVersion: Type.Optional(Type.Integer({ description: 'Of the pipeline of which a step refused it.' })),
  },
  { title: 'DeadLetter' },
)
export type DeadLetter = Static<typeof DeadLetter>

export const listDeadLetters: Endpoint = {
  id: 'listDeadLetters',
  method: 'GET',
  path: '/v1/dead-letters',
  group: 'Operate',
  summary: 'Rejected records with their reasons',
  description:
    'Records that were refused and have not been stored since. They are kept as long as other records (`retention.days`), by their time of receipt.',
  role: 'read',
  query: DeadLettersParameters,
  responses: {
    200: {
      description: 'Newest first. A page may be short, or empty, while there is a cursor.',
      content: {
        [JSON_TYPE]: Type.Object(
          {
            deadLetters: Type.Array(DeadLetter),
            nextCursor: Type.Union([Type.String(), Type.Null()]),
            coverage: Coverage,
          },
          { title: 'DeadLettersResult' },
        ),
      },
    },
  },
}

export const ReplayBody = Type.Object(
  {
    ids: Type.Optional(
      Type.Array(Type.String({ maxLength: 64 }), {
        minItems: 1,
        maxItems: REPLAY_LETTERS_MAX,
        description: 'These letters; or else those of the filter.',
      }),
    ),
    ...narrowing,
    limit: limitParameter(DEAD_LETTERS_LIMIT_DEFAULT, REPLAY_LETTERS_MAX),
    cursor: cursorParameter,
  },
  { additionalProperties: false, title: 'ReplayDeadLetters' },
)
export type ReplayBody = Static<typeof ReplayBody>

const ReplayResult = Type.Object(
  {
    replayed: Type.Integer({ description: 'Letters whose records are stored now.' }),
    failed: Type.Integer({ description: 'Letters that stay.' }),
    failures: Type.Array(Type.Object({ id: Type.String(), code: Type.String(), reason: Type.String() })),
    nextCursor: Type.Union([Type.String(), Type.Null()]),
    coverage: Coverage,
  },
  { title: 'ReplayResult' },
)
export type ReplayResult = Static<typeof ReplayResult>

export const replayDeadLetters: Endpoint = {
  id: 'replayDeadLetters',
  method: 'POST',
  path: '/v1/dead-letters/replay',
  group: 'Operate',
  summary: 'Store refused records after all',
  description:
    'Takes refused records once more, the newest first, as they came: after what refused them has changed. One that is stored leaves the list; ' +
    'one that is refused again stays as it is, and is named. Each is stored once, however often and by however many it is replayed. ' +
    'At most 1,000 letters a request: while `nextCursor` is not null, send the same body with it as `cursor`.',
  role: 'admin',
  query: NoParameters,
  body: {
    description: 'Ids, or which letters. An empty object means all letters.',
    content: { [JSON_TYPE]: ReplayBody },
  },
  responses: {
    200: {
      description: 'What is counted as replayed is durable.',
      content: {
        [JSON_TYPE]: ReplayResult,
      },
    },
    404: { description: 'One of the ids names no letter of the tenant.' },
    429: {
      description: 'Too much is in flight; what was replayed so far is stored. Send the same again after Retry-After.',
    },
    503: { description: 'The node drains or cannot write. Send the same again after Retry-After.' },
  },
}
