import type { SettingSpec } from './config.ts'

/** Where notifications of alerts may go, and by which mail server; a part of SETTINGS. */
export const ALERT_SETTINGS = {
  'alerts.allowPrivateTargets': {
    kind: 'boolean',
    default: false,
    unit: '',
    description:
      'Lets channels of tenants send to private, loopback and link-local addresses. Addresses of metadata services stay closed.',
  },
  'alerts.caFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificates (PEM) to trust for targets of notifications beside those of the system.',
  },
  'alerts.smtpHost': {
    kind: 'string',
    default: null,
    unit: 'host',
    description: 'Mail server for channels that name none; it may be in a private network.',
  },
  'alerts.smtpPort': {
    kind: 'port',
    default: null,
    min: 1,
    max: 65_535,
    derived: '465 with tls, 587 with starttls, 25 with none',
    unit: 'TCP port',
    description: 'Port of alerts.smtpHost.',
  },
  'alerts.smtpSecurity': {
    kind: 'choice',
    default: 'starttls',
    choices: ['tls', 'starttls', 'none'],
    unit: '',
    description: 'TLS from the start, by STARTTLS (compulsory), or none.',
  },
  'alerts.smtpUser': { kind: 'string', default: null, unit: 'name', description: 'User at alerts.smtpHost.' },
  'alerts.smtpPassword': { kind: 'secret', default: null, unit: '', description: 'Password of alerts.smtpUser.' },
  'alerts.smtpFrom': {
    kind: 'string',
    default: null,
    unit: 'mail address',
    description: 'Sender of mails of channels that have no `from`.',
  },
} as const satisfies Record<string, SettingSpec>
