import type { CommandSpec, OptionSpecs } from './command.ts'
import { EMPTY_OPTION, LIST_OPTIONS } from './common-options.ts'

export const ALERT_APPLY_OPTIONS = {
  file: {
    form: 'text',
    value: 'file',
    short: 'f',
    many: true,
    about: 'JSON or YAML, a rule a document; - is standard input.',
  },
} as const satisfies OptionSpecs

export const ALERT_EVENTS_OPTIONS = {
  rule: { form: 'text', value: 'id', about: 'Only of this rule.' },
  state: { form: 'text', choices: ['firing', 'resolved'], about: 'Only those in this state.' },
  since: { form: 'text', value: 'time', about: 'Only those that fired so long ago at most.' },
  limit: { form: 'count', short: 'n', default: 100, about: 'So many at most; 0: all.' },
  ...LIST_OPTIONS,
  ...EMPTY_OPTION,
} as const satisfies OptionSpecs

const BY = { form: 'text', value: 'name', about: 'Who does it. Default: the user of this machine.' } as const
const COMMENT = { form: 'text', value: 'text', about: 'Why.' } as const

export const ALERT_ACK_OPTIONS = { by: BY, comment: COMMENT } as const satisfies OptionSpecs

export const ALERT_SILENCE_OPTIONS = {
  for: { form: 'text', value: 'time', default: '1h', about: 'So long, from now.' },
  from: { form: 'text', value: 'time', about: 'From this time on.' },
  to: { form: 'text', value: 'time', about: 'To this time, in place of --for.' },
  every: { form: 'text', value: 'time', about: 'Again so long after each begin, such as 7d: a maintenance window.' },
  by: BY,
  comment: COMMENT,
} as const satisfies OptionSpecs

const RULE_WORD = { name: 'id', about: 'Id of the rule, as in weir alerts rules list.' }

export const ALERT_COMMANDS: readonly CommandSpec[] = [
  {
    path: ['alerts', 'events'],
    group: 'Alert',
    summary: 'List what has fired, newest first',
    options: ALERT_EVENTS_OPTIONS,
    asksNode: true,
    examples: [
      { about: 'what fires now', line: 'weir alerts events --state firing' },
      { about: 'fail a script while something fires', line: '! weir alerts events --state firing --fail-empty' },
    ],
    load: () => import('./commands/alert-events.ts'),
  },
  {
    path: ['alerts', 'ack'],
    group: 'Alert',
    summary: 'Acknowledge events',
    words: [{ name: 'event', about: 'As in weir alerts events.', many: true }],
    options: ALERT_ACK_OPTIONS,
    asksNode: true,
    examples: [{ about: 'with a word for the others', line: `weir alerts ack f3a9… --comment 'rolling back'` }],
    load: () => import('./commands/alert-ack.ts'),
  },
  {
    path: ['alerts', 'rules', 'list'],
    group: 'Alert',
    summary: 'List alert rules',
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'as a table', line: 'weir alerts rules list' }],
    load: () => import('./commands/alert-rules.ts'),
  },
  {
    path: ['alerts', 'rules', 'get'],
    group: 'Alert',
    summary: 'Print an alert rule, as a file that apply takes',
    words: [RULE_WORD],
    asksNode: true,
    examples: [{ about: 'to a file, to be changed', line: 'weir alerts rules get checkout-errors > rule.json' }],
    load: () => import('./commands/alert-rule-get.ts'),
  },
  {
    path: ['alerts', 'rules', 'status'],
    group: 'Alert',
    summary: 'Show how it stands with a rule: its groups, their values, who decides',
    words: [RULE_WORD],
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'as a table', line: 'weir alerts rules status checkout-errors' }],
    load: () => import('./commands/alert-rule-status.ts'),
  },
  {
    path: ['alerts', 'rules', 'apply'],
    group: 'Alert',
    summary: 'Make or change alert rules from files',
    description: [
      'A rule has the id that its file gives it, else one made from its name; docs/alerts.md says what a rule holds. Files for alerts.rulesDir are taken too; their tenant is that of the command.',
    ],
    options: ALERT_APPLY_OPTIONS,
    asksNode: true,
    examples: [
      {
        about: 'all rules of a repository',
        line: 'weir alerts rules apply -f alerts/checkout.yaml -f alerts/disk.yaml',
      },
      {
        about: 'from standard input',
        line: `echo '{"name":"Errors","query":"level:ERROR","condition":{"count":">100","window":"5m"}}' | weir alerts rules apply -f -`,
      },
    ],
    load: () => import('./commands/alert-rule-apply.ts'),
  },
  {
    path: ['alerts', 'rules', 'delete'],
    group: 'Alert',
    summary: 'Delete alert rules; their events are kept',
    words: [{ ...RULE_WORD, many: true }],
    asksNode: true,
    examples: [{ about: 'by its id', line: 'weir alerts rules delete checkout-errors' }],
    load: () => import('./commands/alert-rule-delete.ts'),
  },
  {
    path: ['alerts', 'silences', 'list'],
    group: 'Alert',
    summary: 'List silences and maintenance windows',
    options: LIST_OPTIONS,
    asksNode: true,
    examples: [{ about: 'those in force', line: `weir alerts silences list | jq -c 'select(.active)'` }],
    load: () => import('./commands/alert-silences.ts'),
  },
  {
    path: ['alerts', 'silences', 'create'],
    group: 'Alert',
    summary: 'Notify nobody of what matches, for a while',
    words: [
      {
        name: 'matcher',
        about:
          'field=value or field!=value: rule, name, severity, labels.<name> or a field that rules group by; * stands for any characters.',
        many: true,
      },
    ],
    options: ALERT_SILENCE_OPTIONS,
    asksNode: true,
    examples: [
      {
        about: 'a deployment',
        line: `weir alerts silences create service=checkout 'severity!=P0' --for 30m --comment deploy`,
      },
      {
        about: 'every week',
        line: 'weir alerts silences create name=Backup* --from 2026-12-06T02:00:00Z --to 2026-12-06T04:00:00Z --every 7d',
      },
    ],
    load: () => import('./commands/alert-silence-create.ts'),
  },
  {
    path: ['alerts', 'silences', 'delete'],
    group: 'Alert',
    summary: 'End silences',
    words: [{ name: 'id', about: 'As in weir alerts silences list.', many: true }],
    asksNode: true,
    examples: [{ about: 'by its id', line: 'weir alerts silences delete 0199a1b2-…' }],
    load: () => import('./commands/alert-silence-delete.ts'),
  },
]
