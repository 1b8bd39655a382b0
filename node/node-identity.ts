import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { diskError } from '../base/disk-error.ts'
import type { NodeId } from '../base/ids.ts'
import { syncDirectory } from '../base/sync-directory.ts'
import type { Settings } from './config.ts'

const FILE = 'node-id'

/**
 * The name of this node: `node.id`, else the one that its data directory bears, made at the first start. A node that comes back is known by it to
 * the others. Throws storage_unavailable.
 */
export async function nodeIdentity(settings: Settings, clock: Clock): Promise<NodeId> {
  if (settings['node.id'] !== null) return settings['node.id'] as NodeId
  const path = `${settings['data.dir']}/${FILE}`
  try {
    const known = await readIfThere(path)
    if (known !== '') return known as NodeId
    const made = `node-${Buffer.from(clock.randomBytes(4)).toString('hex')}`
    await writeFile(`${path}.new`, `${made}\n`, { flush: true })
    await rename(`${path}.new`, path)
    syncDirectory(settings['data.dir'])
    return made as NodeId
  } catch (error) {
    throw diskError(error, `the name of the node cannot be kept in ${path}`)
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
