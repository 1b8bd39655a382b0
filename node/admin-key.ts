import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { Settings } from './config.ts'
import type { KeyStore } from './key-store.ts'

/** Ids of the keys that the node makes itself; put under a fixed id, so that of several nodes that start together one makes it (X2). */
const CONFIGURED_ID = 'configured-admin'
const FIRST_ID = 'first-admin'

/**
 * With auth.mode keys there is always a key that administers: the configured one, or one that the first start makes. Returns that one, to
 * be shown once.
 */
export async function adminKey(settings: Settings, keys: KeyStore, clock: Clock): Promise<string | undefined> {
  if (settings['auth.mode'] !== 'keys') return undefined
  const configured = settings['auth.adminKey']
  const known = await keys.list()
  if (configured !== null) {
    if (keys.find(hashOf(configured)) !== undefined) return undefined
    if (known.some(({ id }) => id === CONFIGURED_ID)) await keys.revoke(CONFIGURED_ID)
    await putOnce(keys, CONFIGURED_ID, 'configured administrator', configured)
    return undefined
  }
  if (known.some(({ tenant, roles }) => tenant === '*' && roles.includes('admin'))) return undefined
  const made = `weir_${Buffer.from(clock.randomBytes(32)).toString('base64url')}`
  return (await putOnce(keys, FIRST_ID, 'first administrator', made)) ? made : undefined
}

async function putOnce(keys: KeyStore, id: string, name: string, key: string): Promise<boolean> {
  try {
    await keys.put(id, { name, tenant: '*', roles: ['ingest', 'read', 'admin'] }, hashOf(key))
    return true
  } catch (error) {
    if (error instanceof WeirError && error.code === 'revision_conflict') return false
    throw error
  }
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}
