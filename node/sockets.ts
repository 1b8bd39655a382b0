import { readFileSync } from 'node:fs'
import type { IngestBackend } from '../api/backend.ts'
import { BodyPool } from '../api/body-pool.ts'
import { DecodedIngest } from '../api/decoded-ingest.ts'
import { ForwardListener } from '../api/sockets/forward-listener.ts'
import { type ListenerTls, SyslogListener } from '../api/sockets/syslog-listener.ts'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Metrics } from '../base/metrics.ts'
import type { Settings } from './config.ts'
import { type SocketPorts, socketTenant } from './socket-ports.ts'

interface SocketParts {
  readonly settings: Settings
  readonly nodeId: string
  readonly ingest: IngestBackend
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

/** What listens on a worker and is not HTTP. */
interface Sockets {
  /** Takes in what senders have sent, for `withinMs` at most. Idempotent. */
  close(withinMs: number): Promise<void>
}

interface Listener {
  close(signal: AbortSignal): Promise<void>
}

/** Has this worker listen on the ports, as all the others do. */
export async function openSockets(ports: SocketPorts, parts: SocketParts): Promise<Sockets> {
  const { settings, ingest, clock } = parts
  const linesBytesMax = settings['limits.bodyInflatedBytes']
  const decodedIngest = new DecodedIngest({ backend: ingest, pool: new BodyPool(), clock, linesBytesMax })
  const opened = [await openSyslog(ports, parts, decodedIngest), await openForward(ports, parts, decodedIngest)]
  const listeners = opened.filter((listener) => listener !== undefined)
  return {
    async close(withinMs) {
      const late = new AbortController()
      const timer = clock.after(withinMs, () => late.abort())
      await Promise.all(listeners.map((listener) => listener.close(late.signal)))
      timer.cancel()
    },
  }
}

async function openForward(
  ports: SocketPorts,
  { settings, ingest, clock, logger, nodeId }: SocketParts,
  decodedIngest: DecodedIngest,
): Promise<Listener | undefined> {
  const tenant = socketTenant(settings, 'forward')
  if (tenant === undefined || ports.forward < 0) return undefined
  const forward = new ForwardListener(ingest, decodedIngest, {
    host: settings['http.host'],
    port: ports.forward,
    reusePort: true,
    tenant,
    sharedKey: settings['forward.sharedKey'] ?? undefined,
    nodeId,
    messageBytesMax: settings['limits.bodyBytes'],
    inflatedBytesMax: settings['limits.bodyInflatedBytes'],
    clock,
    logger: logger.child('forward'),
  })
  await forward.listen()
  return forward
}

async function openSyslog(
  ports: SocketPorts,
  parts: SocketParts,
  decodedIngest: DecodedIngest,
): Promise<Listener | undefined> {
  const { settings, ingest, clock, metrics } = parts
  const tenant = socketTenant(settings, 'syslog')
  if (tenant === undefined || (ports.syslog < 0 && ports.syslogTls < 0)) return undefined
  const logger = parts.logger.child('syslog')
  const connections = metrics.gauge('syslogConnections')
  const tls = syslogTls(settings)
  const syslog = new SyslogListener(ingest, decodedIngest, {
    host: settings['http.host'],
    port: ports.syslog,
    tlsPort: ports.syslogTls,
    ...(tls === undefined ? {} : { tls }),
    reusePort: true,
    tenant,
    messageBytesMax: settings['syslog.messageBytes'],
    clock,
    logger,
    hooks: {
      connections: (open) => connections.set(open),
      lost: (messages, code) => metrics.counter('syslogMessagesLost', { code }).add(messages),
      refused: (reason) => metrics.counter('syslogConnectionsRefused', { reason }).add(1),
    },
  })
  await syslog.listen()
  return syslog
}

/** Throws invalid_config when a file cannot be read. */
function syslogTls(settings: Settings): ListenerTls | undefined {
  const certificate = pem(settings, 'syslog.certFile')
  const key = pem(settings, 'syslog.keyFile')
  const clientCa = pem(settings, 'syslog.clientCaFile')
  if (certificate === undefined || key === undefined) return undefined
  return { certificate, key, ...(clientCa === undefined ? {} : { clientCa }) }
}

function pem(settings: Settings, name: 'syslog.certFile' | 'syslog.keyFile' | 'syslog.clientCaFile') {
  const file = settings[name]
  if (file === null) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new WeirError('invalid_config', `${name}: ${file} cannot be read`, { file }, { cause })
  }
}
