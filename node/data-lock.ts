import { createHash } from 'node:crypto'
import { open, realpath, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { WeirError } from '../base/errors.ts'

export interface DataLock {
  release(): Promise<void>
}

/** In the data directory: the socket of the node that uses it. */
const SOCKET_FILE = 'node.lock'

/**
 * One node at a time on a data directory. On Linux the lock is an abstract socket named after the directory: the kernel lets go of it with the
 * process, however that ends. A container does not see the abstract sockets of another, so there is a socket in the directory as well, which
 * counts for as long as somebody answers on it. Elsewhere the lock is not held. Throws invalid_config when another node has it.
 */
export async function lockDataDirectory(directory: string): Promise<DataLock> {
  if (process.platform !== 'linux') return { release: async () => undefined }
  const name = createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, 32)
  const abstract = await listen(`\0weir-${name}`)
  if (abstract === undefined) throw inUse(directory)
  try {
    const inDirectory = await listenIn(directory)
    return {
      async release() {
        await inDirectory()
        await closed(abstract)
      },
    }
  } catch (error) {
    await closed(abstract)
    throw error
  }
}

async function listenIn(directory: string): Promise<() => Promise<void>> {
  // A socket's path holds 107 bytes; that of an open directory is always short.
  const handle = await open(directory, 'r')
  const path = `/proc/self/fd/${handle.fd}/${SOCKET_FILE}`
  try {
    if (await isAnswered(path)) throw inUse(directory)
    await rm(path, { force: true })
    const server = await listen(path)
    if (server === undefined) throw inUse(directory)
    return async () => {
      await closed(server)
      await handle.close()
    }
  } catch (error) {
    await handle.close()
    // A file system without sockets, or one that takes no writes: what is written next says so where it matters.
    if (error instanceof WeirError) throw error
    return async () => undefined
  }
}

/** Undefined when somebody else listens there. */
function listen(path: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen({ path }, () => {
      server.unref()
      resolve(server)
    })
  })
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EACCES'))
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

function inUse(directory: string): WeirError {
  return new WeirError('invalid_config', `data.dir ${directory} is in use by another node`)
}
