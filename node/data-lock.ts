import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { WeirError } from '../base/errors.ts'

export interface DataLock {
  release(): Promise<void>
}

/**
 * One node at a time on a data directory. On Linux the lock is an abstract socket named after the directory: the kernel lets go of it with the
 * process, however that ends. Elsewhere there is no such thing and the lock is not held. Throws invalid_config when another node has it.
 */
export async function lockDataDirectory(directory: string): Promise<DataLock> {
  if (process.platform !== 'linux') return { release: async () => undefined }
  const name = createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, 32)
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new WeirError('invalid_config', `data.dir ${directory} is in use by another node`)
          : error,
      )
    })
    server.listen({ path: `\0weir-${name}` }, resolve)
  })
  server.unref()
  return { release: () => new Promise((resolve) => server.close(() => resolve())) }
}
