import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import { WeirError } from '../base/errors.ts'
import type { TenantId } from '../base/ids.ts'
import { TENANT_DEFAULT } from '../base/ids.ts'
import type { Logger } from '../base/logger.ts'
import type { SettingKey, Settings } from './config.ts'
import type { LoadedConfig } from './config-load.ts'
import { reservePort } from './reserved-port.ts'

/** Ports that all workers listen on beside that of HTTP; -1 for none. */
export interface SocketPorts {
  readonly syslog: number
  readonly syslogTls: number
  readonly forward: number
  readonly otlpGrpc: number
}

/** A free port for TCP may be taken for UDP. */
const ATTEMPTS_MAX = 10

/**
 * The ports for what is not HTTP. Workers share them, so the kernel would let another node share them too: it is made sure that nobody has them.
 * A port that was asked for and is taken is invalid_config; one that is only the default is done without.
 */
export async function reserveSocketPorts(
  { settings, sources }: LoadedConfig,
  logger: Logger,
): Promise<{ readonly ports: SocketPorts; release(): void }> {
  const releases: (() => void)[] = []
  const host = settings['http.host']
  const claim = async (
    key: SettingKey & ('syslog.port' | 'syslog.tlsPort' | 'forward.port' | 'otlpGrpc.port'),
    hasUdp: boolean,
  ): Promise<number> => {
    const wanted = settings[key]
    if (wanted < 0) return -1
    if (wanted === 0) {
      const reserved = await reserveFree(host, hasUdp)
      releases.push(reserved.release)
      return reserved.port
    }
    if (await isFree(host, wanted, hasUdp)) return wanted
    if (sources[key] !== 'default') {
      throw new WeirError('invalid_config', `${key}: port ${wanted} of ${host} is taken`, { port: wanted })
    }
    logger.warn('nothing listens there: the port is taken', { setting: key, port: wanted })
    return -1
  }
  const takes = (key: 'syslog' | 'forward') => {
    if (socketTenant(settings, key) !== undefined) return true
    if (sources[`${key}.port`] !== 'default' && settings[`${key}.port`] >= 0) {
      logger.warn(`there is no ${key} listener: with auth.mode keys it needs ${key}.tenant`)
    }
    return false
  }
  const takesSyslog = takes('syslog')
  const syslog = takesSyslog ? await claim('syslog.port', true) : -1
  const hasTls = takesSyslog && settings['syslog.certFile'] !== null
  const syslogTls = hasTls ? await claim('syslog.tlsPort', false) : -1
  const forward = takes('forward') ? await claim('forward.port', false) : -1
  const otlpGrpc = await claim('otlpGrpc.port', false)
  return {
    ports: { syslog, syslogTls, forward, otlpGrpc },
    release() {
      for (const release of releases) release()
    },
  }
}

/** Where records of a protocol without keys go; undefined when nobody has said so, and not everybody may write. */
export function socketTenant(settings: Settings, protocol: 'syslog' | 'forward'): TenantId | undefined {
  const named = settings[`${protocol}.tenant`]
  if (named !== null) return named as TenantId
  return settings['auth.mode'] === 'off' ? TENANT_DEFAULT : undefined
}

async function reserveFree(host: string, hasUdp: boolean): ReturnType<typeof reservePort> {
  for (let attempt = 1; ; attempt++) {
    const reserved = await reservePort(host)
    if (!hasUdp || (await isUdpFree(host, reserved.port)) || attempt === ATTEMPTS_MAX) return reserved
    reserved.release()
  }
}

async function isFree(host: string, port: number, hasUdp: boolean): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ host, port })
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return !hasUdp || (await isUdpFree(host, port))
}

async function isUdpFree(host: string, port: number): Promise<boolean> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  try {
    socket.bind(port, host)
    await once(socket, 'listening')
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}
