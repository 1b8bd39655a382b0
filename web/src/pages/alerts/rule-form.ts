import type { AlertRuleDefinition } from '../../api-types.ts'

export const METRICS = ['count', 'rate', 'distinct', 'sum', 'avg', 'min', 'max', 'p50', 'p90', 'p95', 'p99'] as const
export type Metric = (typeof METRICS)[number]

/** What the form of a rule holds; texts as they are typed. */
export interface RuleForm {
  readonly name: string
  readonly query: string
  readonly service: string
  readonly metric: Metric
  readonly field: string
  readonly threshold: string
  readonly window: string
  readonly type: 'sliding' | 'tumbling'
  readonly groupBy: string
  readonly for: string
  readonly cooldown: string
  readonly severity: 'P0' | 'P1' | 'P2'
  readonly channels: string
  readonly runbook: string
  readonly enabled: boolean
}

export const RULE_FORM_NEW: RuleForm = {
  name: '',
  query: 'level:ERROR',
  service: '',
  metric: 'count',
  field: '',
  threshold: '>100',
  window: '5m',
  type: 'sliding',
  groupBy: '',
  for: '',
  cooldown: '10m',
  severity: 'P1',
  channels: '',
  runbook: '',
  enabled: true,
}

type Condition = AlertRuleDefinition['condition'] & Readonly<Record<string, unknown>>

/** A definition as a form; undefined where it has members that the form cannot show, and so would lose. */
export function formOf(definition: AlertRuleDefinition): RuleForm | undefined {
  const { condition, labels, ...rest } = definition as AlertRuleDefinition & Readonly<Record<string, unknown>>
  const { window, type, groupBy, field, ...metrics } = condition as Condition
  const [metric, ...others] = Object.keys(metrics)
  const known = new Set(['name', 'query', 'service', 'for', 'cooldown', 'severity', 'channels', 'runbook', 'enabled'])
  const isShown =
    others.length === 0 && METRICS.includes(metric as Metric) && Object.keys(rest).every((key) => known.has(key))
  if (!isShown || (labels !== undefined && Object.keys(labels).length > 0)) return undefined
  return {
    ...RULE_FORM_NEW,
    name: definition.name,
    query: definition.query ?? '',
    service: definition.service ?? '',
    metric: metric as Metric,
    threshold: String(metrics[metric!]),
    field: typeof field === 'string' ? field : '',
    window: window ?? '5m',
    type: type === 'tumbling' ? 'tumbling' : 'sliding',
    groupBy: (groupBy ?? []).join(', '),
    for: definition.for ?? '',
    cooldown: definition.cooldown ?? '',
    severity: (definition.severity ?? 'P2') as RuleForm['severity'],
    channels: (definition.channels ?? []).join(', '),
    runbook: definition.runbook ?? '',
    enabled: definition.enabled !== false,
  }
}

export function definitionOf(form: RuleForm): AlertRuleDefinition {
  const groupBy = listOf(form.groupBy)
  const condition: Condition = {
    [form.metric]: form.threshold.replace(/\s/g, ''),
    ...(form.field === '' ? {} : { field: form.field }),
    window: form.window,
    type: form.type,
    ...(groupBy.length === 0 ? {} : { groupBy }),
  }
  const optional = {
    query: form.query,
    service: form.service,
    for: form.for,
    cooldown: form.cooldown,
    runbook: form.runbook,
  }
  return {
    name: form.name.trim(),
    ...Object.fromEntries(Object.entries(optional).filter(([, text]) => text.trim() !== '')),
    condition,
    severity: form.severity,
    channels: listOf(form.channels),
    enabled: form.enabled,
  }
}

/** `count > 100 in 5m by service`. */
export function conditionText({ condition }: AlertRuleDefinition): string {
  const { window, type, groupBy, field, ...metrics } = condition as Condition
  const parts = Object.entries(metrics).map(([metric, text]) => {
    const value = typeof text === 'string' ? text.replace(/^([<>=]+)/, '$1 ') : JSON.stringify(text)
    return `${metric}${typeof field === 'string' ? `(${field})` : ''} ${value}`
  })
  const by = (groupBy ?? []).length > 0 ? ` by ${groupBy!.join(', ')}` : ''
  return `${parts.join(', ')} in ${type === 'tumbling' ? 'each ' : ''}${window ?? '?'}${by}`
}

/** The number of a threshold such as `>= 100`; undefined where it is none, or a share (`>50%`). */
export function thresholdOf(text: string): number | undefined {
  const found = /^\s*(?:>=?|<=?|==?)\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text)
  return found === null ? undefined : Number(found[1])
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}
