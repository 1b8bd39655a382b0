import type { SettingSpec } from './config.ts'

const KIB = 1024
const PORT = { kind: 'port', unit: 'TCP port', min: -1, max: 65_535 } as const

/** Settings of what listens beside HTTP; a part of SETTINGS. */
export const SOCKET_SETTINGS = {
  'syslog.port': {
    ...PORT,
    default: 5514,
    description: 'Port of http.host for syslog over TCP and UDP; 0 picks a free one, -1 switches it off.',
  },
  'syslog.tlsPort': {
    ...PORT,
    default: 6514,
    description:
      'Port of http.host for syslog over TLS, where syslog.certFile is set; 0 picks a free one, -1 switches it off.',
  },
  'syslog.certFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificate (PEM) that syslog over TLS shows.',
  },
  'syslog.keyFile': { kind: 'path', default: null, unit: 'file', description: 'Key (PEM) of syslog.certFile.' },
  'syslog.clientCaFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificates (PEM) of which one must have signed that of the sender. Unset: senders need none.',
  },
  'syslog.tenant': {
    kind: 'string',
    default: null,
    derived: 'default with auth.mode off, else there is no syslog listener',
    unit: 'name',
    description: 'Tenant that all syslog messages go to: the protocol has no keys, whoever reaches the port may write.',
  },
  'syslog.messageBytes': {
    kind: 'bytes',
    default: 64 * KIB,
    min: KIB,
    max: 256 * KIB,
    unit: 'bytes',
    description: 'Longest syslog message; longer ones are refused, and their beginning is kept as a dead letter.',
  },
  'otlpGrpc.port': {
    ...PORT,
    default: 4317,
    description: 'Port of http.host for OTLP over gRPC; 0 picks a free one, -1 switches it off.',
  },
  'otlpGrpc.certFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificate (PEM) that otlpGrpc.port shows. Unset: it speaks clear text.',
  },
  'otlpGrpc.keyFile': { kind: 'path', default: null, unit: 'file', description: 'Key (PEM) of otlpGrpc.certFile.' },
  'otlpGrpc.clientCaFile': {
    kind: 'path',
    default: null,
    unit: 'file',
    description: 'Certificates (PEM) of which one must have signed that of the sender. Unset: senders need none.',
  },
  'forward.port': {
    ...PORT,
    default: 24_224,
    description: 'Port of http.host for the Fluentd forward protocol; 0 picks a free one, -1 switches it off.',
  },
  'forward.tenant': {
    kind: 'string',
    default: null,
    derived: 'default with auth.mode off, else there is no forward listener',
    unit: 'name',
    description: 'Tenant that all events of the Fluentd forward protocol go to.',
  },
  'forward.sharedKey': {
    kind: 'secret',
    default: null,
    unit: '',
    description:
      'Key that clients of the Fluentd forward protocol must know. Unset: whoever reaches the port may write.',
  },
} as const satisfies Record<string, SettingSpec>
