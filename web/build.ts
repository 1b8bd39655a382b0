import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { InlineConfig } from 'vite'

const WEB_FOLDER = new URL('./', import.meta.url).pathname
const DIST_FOLDER = join(WEB_FOLDER, 'dist')

/** Beside what is below `src/` and `public/`. */
const SOURCES = ['index.html', 'build.ts', 'vite-settings.ts', '../package-lock.json']

/**
 * Builds the web UI into `web/dist`: `npm run build`, and before `npm start` where the sources are newer than what was built. The new folder takes the
 * place of the old one in one step, so that a node that runs serves either. Returns false where the packages that build it are not installed.
 */
export async function buildUi(onlyWhenStale: boolean): Promise<boolean> {
  if (onlyWhenStale && !isStale()) return true
  const vite = await import('vite').catch(() => undefined)
  if (vite === undefined) return false
  const { viteSettings } = await import('./vite-settings.ts')
  const fresh = `${DIST_FOLDER}.new-${process.pid}`
  const old = `${DIST_FOLDER}.old-${process.pid}`
  try {
    const settings: InlineConfig = viteSettings(fresh)
    await vite.build(settings)
    if (existsSync(DIST_FOLDER)) renameSync(DIST_FOLDER, old)
    renameSync(fresh, DIST_FOLDER)
  } catch (error) {
    // Another process may have built the same at the same time.
    if (isStale()) throw error
  } finally {
    for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true })
  }
  return true
}

/** Whether something that the UI is made of is newer than what was built. */
function isStale(): boolean {
  const builtMs = changedMs(join(DIST_FOLDER, 'index.html'))
  const below = ['src', 'public'].flatMap((folder) =>
    readdirSync(join(WEB_FOLDER, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  return [...SOURCES, ...below].some((name) => changedMs(join(WEB_FOLDER, name)) > builtMs)
}

function changedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const isBeforeStart = process.argv.includes('--when-stale')
  const failure = await buildUi(isBeforeStart).then(
    (isBuilt) => (isBuilt ? undefined : 'its packages are not installed (npm ci without --omit=dev)'),
    (error: unknown) => {
      // A node takes in logs, with the UI or without.
      if (!isBeforeStart) throw error
      return error instanceof Error ? error.message : String(error)
    },
  )
  if (failure !== undefined) {
    const next = isBeforeStart ? ' The node starts with what was built before, if anything was.' : ''
    process.stderr.write(`The web UI is not built: ${failure}.${next}\n`)
    if (!isBeforeStart) process.exitCode = 1
  }
}
