import Type, { type Static } from 'typebox'
import { AGGREGATE_GROUPS_MAX } from '../../base/limits.ts'
import {
  answerMembers,
  DurationText,
  JSON_TYPE,
  LogRecord,
  NameList,
  NameText,
  queryParameters,
  rangeParameters,
} from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { limitParameter, TableResult } from './search.ts'

export const HistogramParameters = Type.Object(
  {
    ...queryParameters,
    ...rangeParameters,
    interval: Type.Optional(DurationText('Width of a bucket; chosen for at most about 100 buckets when absent.')),
    groupBy: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1024, default: 'level', description: 'Field to split by.' }),
    ),
  },
  { additionalProperties: false },
)
export type HistogramParameters = Static<typeof HistogramParameters>

export const histogramLogs: Endpoint = {
  id: 'histogramLogs',
  method: 'GET',
  path: '/v1/logs/histogram',
  group: 'Analyse',
  summary: 'Count records per interval',
  role: 'read',
  query: HistogramParameters,
  responses: {
    200: {
      description: 'Buckets, oldest first.',
      content: {
        [JSON_TYPE]: Type.Object(
          {
            interval: Type.String(),
            buckets: Type.Array(
              Type.Object({
                start: Type.String(),
                count: Type.Integer(),
                by: Type.Record(Type.String(), Type.Integer()),
              }),
            ),
            total: Type.Integer(),
            ...answerMembers,
          },
          { title: 'HistogramResult' },
        ),
      },
    },
  },
}

export const AggregateParameters = Type.Object(
  {
    ...queryParameters,
    ...rangeParameters,
    groupBy: Type.Optional(NameList('Fields to group by.')),
    interval: Type.Optional(DurationText('Also group by time, in buckets of this width.')),
    metric: Type.Optional(
      Type.String({
        pattern: '^(count|sum|avg|min|max|uniq|p[0-9]{1,2}(\\.[0-9]{1,2})?)$',
        default: 'count',
        description: '`count`, `sum`, `avg`, `min`, `max`, `uniq`, or a percentile such as `p95`.',
      }),
    ),
    field: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: 'Field that the metric is of; all but `count` need one.',
      }),
    ),
    top: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: AGGREGATE_GROUPS_MAX,
        description: 'Keep the groups with the highest value.',
      }),
    ),
  },
  { additionalProperties: false },
)
export type AggregateParameters = Static<typeof AggregateParameters>

export const aggregateLogs: Endpoint = {
  id: 'aggregateLogs',
  method: 'GET',
  path: '/v1/logs/aggregate',
  group: 'Analyse',
  summary: 'Compute a metric per group',
  role: 'read',
  query: AggregateParameters,
  responses: { 200: { description: 'A row per group.', content: { [JSON_TYPE]: TableResult } } },
}

export const PATTERNS_LIMIT_DEFAULT = 50
const PATTERNS_LIMIT_MAX = 1000

export const PatternsParameters = Type.Object(
  { ...queryParameters, ...rangeParameters, limit: limitParameter(PATTERNS_LIMIT_DEFAULT, PATTERNS_LIMIT_MAX) },
  { additionalProperties: false },
)
export type PatternsParameters = Static<typeof PatternsParameters>

export const patternsOfLogs: Endpoint = {
  id: 'patternsOfLogs',
  method: 'GET',
  path: '/v1/logs/patterns',
  group: 'Analyse',
  summary: 'Message templates with counts and samples',
  role: 'read',
  query: PatternsParameters,
  responses: {
    200: {
      description: 'Most frequent first.',
      content: {
        [JSON_TYPE]: Type.Object(
          {
            patterns: Type.Array(
              Type.Object({
                pattern: Type.String(),
                count: Type.Integer(),
                levels: Type.Record(Type.String(), Type.Integer()),
                firstAt: Type.String(),
                lastAt: Type.String(),
                sample: LogRecord,
              }),
            ),
            ...answerMembers,
          },
          { title: 'PatternsResult' },
        ),
      },
    },
  },
}

export const FieldsParameters = Type.Object({ ...queryParameters, ...rangeParameters }, { additionalProperties: false })
export type FieldsParameters = Static<typeof FieldsParameters>

export const listFields: Endpoint = {
  id: 'listFields',
  method: 'GET',
  path: '/v1/fields',
  group: 'Analyse',
  summary: 'Names, types and cardinality of fields',
  role: 'read',
  query: FieldsParameters,
  responses: {
    200: {
      description: 'Fields of the records that match.',
      content: {
        [JSON_TYPE]: Type.Object(
          {
            fields: Type.Array(
              Type.Object({
                name: Type.String(),
                type: Type.String(),
                count: Type.Integer(),
                cardinality: Type.Integer(),
              }),
            ),
            ...answerMembers,
          },
          { title: 'FieldsResult' },
        ),
      },
    },
  },
}

export const FIELD_VALUES_LIMIT_DEFAULT = 20
const FIELD_VALUES_LIMIT_MAX = 1000

export const FieldValuesParameters = Type.Object(
  { ...queryParameters, ...rangeParameters, limit: limitParameter(FIELD_VALUES_LIMIT_DEFAULT, FIELD_VALUES_LIMIT_MAX) },
  { additionalProperties: false },
)
export type FieldValuesParameters = Static<typeof FieldValuesParameters>

export const listFieldValues: Endpoint = {
  id: 'listFieldValues',
  method: 'GET',
  path: '/v1/fields/{name}/values',
  group: 'Analyse',
  summary: 'Most frequent values of a field',
  role: 'read',
  pathParameters: Type.Object({ name: NameText('Name of the field, such as `service` or `metadata.userId`.') }),
  query: FieldValuesParameters,
  responses: {
    200: {
      description: 'Values, most frequent first; `other` counts the records with further values.',
      content: {
        [JSON_TYPE]: Type.Object(
          {
            values: Type.Array(Type.Object({ value: Type.String(), count: Type.Integer() })),
            other: Type.Integer(),
            ...answerMembers,
          },
          { title: 'FieldValuesResult' },
        ),
      },
    },
  },
}
