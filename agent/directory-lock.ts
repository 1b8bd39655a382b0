import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { WeirError } from '../base/errors.ts'

/**
 * One shipper at a time on a data directory, on Linux: an abstract socket named after it, of which the kernel lets go with the process. Gives what
 * lets go of it. Throws invalid_config when another has it.
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  if (process.platform !== 'linux') return async () => undefined
  const name = createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, 32)
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE'
      reject(isTaken ? new WeirError('invalid_config', `data.dir ${directory} is in use by another shipper`) : error)
    })
    server.listen({ path: `\0weir-agent-${name}` }, resolve)
  })
  server.unref()
  return () => new Promise((resolve) => server.close(() => resolve()))
}
