import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

const DIRECTORY = fileURLToPath(new URL('../node_modules/.cache/weir', import.meta.url))

/**
 * Has this thread take compiled modules from the disk, types stripped, and keep what it compiles itself: loading them costs a quarter then, and
 * is most of what a node does at its start. In `NODE_COMPILE_CACHE`, or beside the packages; where that cannot be written, it compiles as ever. To be
 * called in each thread before it imports the rest. Threads that are begun afterwards have it from their first module on, and so need not load what
 * strips types, 10 to 20 MB a thread.
 */
export function useCompileCache(): void {
  process.env.NODE_COMPILE_CACHE ??= DIRECTORY
  enableCompileCache(process.env.NODE_COMPILE_CACHE)
}

/** Writes down now what this thread has compiled: a process that is killed would not. Blocks for some 100 ms the first time, hardly later. */
export function keepCompiled(): void {
  flushCompileCache()
}
