import { type RestoredRegistry, restoreRegistry } from '../actors/restore-registry.ts'
import { systemClock } from '../base/clock.ts'
import type { NodeId } from '../base/ids.ts'
import { createLogger } from '../base/logger.ts'
import { makeDurableDirectory } from '../base/sync-directory.ts'
import { openRegistry } from './backbone.ts'
import { agreeOnCluster, checkClusterOf } from './cluster-settings.ts'
import type { LoadedConfig } from './config-load.ts'
import { lockDataDirectory } from './data-lock.ts'
import { openObjectStore } from './object-store.ts'

/** `weir restore`: fills the registry that the settings name from the object store that they name (C10). Resolves with what to tell. */
export async function restore({ settings }: LoadedConfig): Promise<string> {
  const clock = systemClock
  makeDurableDirectory(settings['data.dir'])
  const lock = await lockDataDirectory(settings['data.dir'])
  const logger = createLogger({ level: settings['log.level'], fields: { thread: 'restore' } })
  const nodeId = (settings['node.id'] ?? 'restore') as NodeId
  const objects = await openObjectStore(settings, clock)
  try {
    await objects.checkAccess()
    const registry = await openRegistry({ settings, nodeId, thread: 'restore', clock, logger })
    try {
      const restored = await restoreRegistry({
        registry,
        objects,
        shardCount: settings.shards,
        laneCount: settings['journal.lanes'],
        check: (entries) => checkClusterOf(entries, settings),
      })
      await agreeOnCluster(registry, settings)
      return textOf(restored)
    } finally {
      await registry.close()
    }
  } finally {
    await objects.close()
    await lock.release()
  }
}

function textOf({ snapshotMs, entries, shards, segments, rows, missing }: RestoredRegistry): string {
  const snapshot =
    snapshotMs === undefined
      ? 'there is no snapshot of the registry: API keys must be made anew'
      : `${entries} entries, API keys among them, from the snapshot of ${new Date(snapshotMs).toISOString()}`
  const lost =
    missing.length === 0
      ? ''
      : `${missing.length} objects of newer manifest pages are missing, such as ${missing[0]}: those pages were passed over. To have them, ` +
        'bring the objects back and restore into an empty registry again, before a node starts\n'
  return `${shards} shards: ${segments} segments with ${rows} records\n${snapshot}\n${lost}start the nodes now\n`
}
