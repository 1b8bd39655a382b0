import { readFileSync } from 'node:fs'
import type { Backend } from '../api/backend.ts'
import { BodyPool } from '../api/body-pool.ts'
import { DecodedIngest } from '../api/decoded-ingest.ts'
import { ForwardListener } from '../api/sockets/forward-listener.ts'
import { OtlpGrpcListener } from '../api/sockets/otlp-grpc-listener.ts'
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
  readonly backend: Pick<Backend, 'ingest' | 'keys'>
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
  const { settings, backend, clock } = parts
  const linesBytesMax = settings['limits.bodyInflatedBytes']
  const pool = new BodyPool()
  const decodedIngest = new DecodedIngest({ backend: backend.ingest, pool, clock, linesBytesMax })
  const opened = [
    await openSyslog(ports, parts, decodedIngest),
    await openForward(ports, parts, decodedIngest),
    await openOtlpGrpc(ports, parts, decodedIngest, pool),
  ]
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
  { settings, backend, clock, logger, nodeId }: SocketParts,
  decodedIngest: DecodedIngest,
): Promise<Listener | undefined> {
  const tenant = socketTenant(settings, 'forward')
  if (tenant === undefined || ports.forward < 0) return undefined
  const forward = new ForwardListener(backend.ingest, decodedIngest, {
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

async function openOtlpGrpc(
  ports: SocketPorts,
  { settings, backend, clock, logger }: SocketParts,
  decodedIngest: DecodedIngest,
  pool: BodyPool,
): Promise<Listener | undefined> {
  if (ports.otlpGrpc < 0) return undefined
  const tls = tlsOf(settings, 'otlpGrpc')
  const listener = new OtlpGrpcListener(backend, decodedIngest, {
    host: settings['http.host'],
    port: ports.otlpGrpc,
    ...(tls === undefined ? {} : { tls }),
    reusePort: true,
    authMode: settings['auth.mode'] === 'off' ? 'off' : 'keys',
    messageBytesMax: settings['limits.bodyBytes'],
    inflatedBytesMax: settings['limits.bodyInflatedBytes'],
    pool,
    clock,
    logger: logger.child('otlpGrpc'),
  })
  await listener.listen()
  return listener
}

async function openSyslog(
  ports: SocketPorts,
  parts: SocketParts,
  decodedIngest: DecodedIngest,
): Promise<Listener | undefined> {
  const { settings, backend, clock, metrics } = parts
  const tenant = socketTenant(settings, 'syslog')
  if (tenant === undefined || (ports.syslog < 0 && ports.syslogTls < 0)) return undefined
  const logger = parts.logger.child('syslog')
  const connections = metrics.gauge('syslogConnections')
  const tls = tlsOf(settings, 'syslog')
  const syslog = new SyslogListener(backend.ingest, decodedIngest, {
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

type TlsListener = 'syslog' | 'otlpGrpc'

/** Throws invalid_config when a file cannot be read. */
function tlsOf(settings: Settings, listener: TlsListener): ListenerTls | undefined {
  const certificate = pem(settings, `${listener}.certFile`)
  const key = pem(settings, `${listener}.keyFile`)
  const clientCa = pem(settings, `${listener}.clientCaFile`)
  if (certificate === undefined || key === undefined) return undefined
  return { certificate, key, ...(clientCa === undefined ? {} : { clientCa }) }
}

function pem(
  settings: Settings,
  name: `${TlsListener}.${'certFile' | 'keyFile' | 'clientCaFile'}`,
): string | undefined {
  const file = settings[name]
  if (file === null) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new WeirError('invalid_config', `${name}: ${file} cannot be read`, { file }, { cause })
  }
}
