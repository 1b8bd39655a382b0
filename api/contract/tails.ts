import Type, { type Static } from 'typebox'
import { TAIL_LAST_DEFAULT, TAIL_LAST_MAX } from '../../base/limits.ts'
import { queryParameters } from './common.ts'

const { query, service, level, host, traceId } = queryParameters
const filterParameters = { query, service, level, host, traceId }

/** With how many records a live tail begins. */
export const lastParameter = Type.Optional(
  Type.Integer({
    minimum: 0,
    maximum: TAIL_LAST_MAX,
    default: TAIL_LAST_DEFAULT,
    description: 'Begin a live tail with so many of the newest records of the last hour; not with a cursor.',
  }),
)

/** What a live tail shows; `{"update":{…}}` of its WebSocket. */
export const TailFilterParameters = Type.Object(filterParameters, { additionalProperties: false })
export type TailFilterParameters = Static<typeof TailFilterParameters>

/** How a live tail begins; `{"subscribe":{…}}` of its WebSocket, or the query string of a stream of events. */
export const TailStartParameters = Type.Object(
  {
    ...filterParameters,
    cursor: Type.Optional(Type.String({ maxLength: 65_536, description: 'Go on where the cursor was given.' })),
    last: lastParameter,
  },
  { additionalProperties: false },
)
export type TailStartParameters = Static<typeof TailStartParameters>
