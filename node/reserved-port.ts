import { once } from 'node:events'
import { createServer } from 'node:net'
import { WeirError } from '../base/errors.ts'

/** A port that is ours until `release`: whoever listens with `reusePort` meanwhile gets it too. */
export interface ReservedPort {
  readonly port: number
  release(): void
}

/** Has the kernel pick a free port of `host`. Throws invalid_config when that is no address of this machine. */
export async function reservePort(host: string): Promise<ReservedPort> {
  const server = createServer((socket) => socket.destroy())
  try {
    server.listen({ host, port: 0, reusePort: true })
    await once(server, 'listening')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new WeirError('invalid_config', `cannot listen on ${host}: ${reason}`, { host }, { cause })
  }
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    release: () => server.close(),
  }
}
