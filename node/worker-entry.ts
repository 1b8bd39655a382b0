import { useCompileCache } from '../base/compile-cache.ts'

useCompileCache()
await import('./worker.ts')
