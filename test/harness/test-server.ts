import type { TestContext } from 'node:test'
import { hashKey } from '../../api/auth.ts'
import type { Role } from '../../api/backend.ts'
import { createServer, type HttpServer } from '../../api/server.ts'
import type { ServerOptions } from '../../api/server-options.ts'
import { systemClock } from '../../base/clock.ts'
import type { TenantId } from '../../base/ids.ts'
import { silentLogger } from '../../base/logger.ts'
import { HttpClient } from './http-client.ts'
import { MemoryBackend } from './memory-backend.ts'

export interface TestServer {
  readonly backend: MemoryBackend
  readonly server: HttpServer
  readonly url: string
  readonly port: number
  readonly client: HttpClient
  /** A client that sends a fresh key of this tenant and these roles. */
  clientOf(tenant: string, ...roles: Role[]): Promise<HttpClient>
}

/** A listening server before a MemoryBackend, closed when the test ends. */
export async function startTestServer(t: TestContext, options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const clock = options.clock ?? systemClock
  const backend = new MemoryBackend(() => clock.nowMs())
  const server = await createServer(backend, {
    authMode: 'off',
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    bodyBytesMax: 1024 * 1024,
    inflatedBytesMax: 4 * 1024 * 1024,
    uploadBytesMax: 16 * 1024 * 1024,
    clock,
    logger: silentLogger,
    nodeId: 'n1',
    version: '0.0.1',
    ...options,
  })
  const { url, port } = await server.listen()
  const clients: HttpClient[] = []
  const newClient = (headers: Record<string, string> = {}) => {
    const client = new HttpClient(url, headers)
    clients.push(client)
    return client
  }
  t.after(async () => {
    for (const client of clients) client.close()
    await server.close()
  })
  let keys = 0
  return {
    backend,
    server,
    url,
    port,
    client: newClient(),
    async clientOf(tenant, ...roles) {
      const key = `weir_test${++keys}`
      await backend.keys.create({ name: key, tenant: tenant as TenantId, roles }, hashKey(key))
      return newClient({ authorization: `Bearer ${key}` })
    },
  }
}
