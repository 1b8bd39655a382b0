import Type from 'typebox'
import { AlertGroup, NO_RULE, RuleDefinition, ruleParameters } from './alerts.ts'
import { Coverage, DurationText, JSON_TYPE, TimeText } from './common.ts'
import type { Endpoint } from './endpoint.ts'
import { NoParameters } from './records.ts'

const group = 'Alerts'
const role = 'alert'

const rangeOfBacktest = {
  from: Type.Optional(TimeText('Windows that end after this time.', 'now-24h')),
  to: Type.Optional(TimeText('Windows that end up to this time.', 'now')),
  timeout: Type.Optional(
    DurationText('After this long, it is told by what was counted so far, and labelled partial.', '30s'),
  ),
}
export const BacktestRuleBody = Type.Object(
  { ...rangeOfBacktest, definition: Type.Optional(RuleDefinition) },
  { additionalProperties: false, title: 'AlertRuleBacktest', examples: [{ from: 'now-24h', to: 'now' }] },
)
export const BacktestBody = Type.Object(
  { ...rangeOfBacktest, definition: RuleDefinition },
  { additionalProperties: false, title: 'AlertBacktest' },
)

const BacktestResult = Type.Object(
  {
    firings: Type.Array(
      Type.Object({
        at: Type.String({ description: 'End of the window that decided.' }),
        noticedAt: Type.String({ description: 'When people would have been told.' }),
        resolvedAt: Type.Union([Type.String(), Type.Null()]),
        value: Type.Union([Type.Number(), Type.Null()]),
        group: AlertGroup,
      }),
    ),
    firingsLeftOut: Type.Boolean({ description: 'There were more than the 1,000 that are shown.' }),
    coverage: Coverage,
    tookMs: Type.Number(),
  },
  { title: 'AlertBacktestAnswer' },
)
const backtestAnswer = {
  200: { description: 'When it would have fired.', content: { [JSON_TYPE]: BacktestResult } },
}

export const backtestAlertRule: Endpoint = {
  id: 'backtestAlertRule',
  method: 'POST',
  path: '/v1/alerts/rules/{id}/backtest',
  group,
  summary: 'When a rule would have fired',
  description:
    'Runs the rule, or the `definition` that is to take its place, over stored records as they came, in the order of their receipt. Nobody is notified, nothing is kept.',
  role,
  pathParameters: ruleParameters,
  query: NoParameters,
  body: { description: 'Over which time.', content: { [JSON_TYPE]: BacktestRuleBody } },
  responses: { ...backtestAnswer, 404: NO_RULE },
}

export const backtestAlerts: Endpoint = {
  id: 'backtestAlerts',
  method: 'POST',
  path: '/v1/alerts/backtest',
  group,
  summary: 'When a rule that is not saved would have fired',
  description: 'The same of a definition alone.',
  role,
  query: NoParameters,
  body: { description: 'The definition, and over which time.', content: { [JSON_TYPE]: BacktestBody } },
  responses: backtestAnswer,
}
