import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { type Import, importsOf, type SourceText, splitSource } from './source-text.ts'

const ROOT = new URL('../../', import.meta.url)

/** Not ours, not shipped, or made by running the program. */
const NOT_SHIPPED = new Set(['node_modules', '.git', '.cache', 'data'])
const NOT_TEXT = /\.(?:png|jpg|gz|zst|bin|seg|block|mdb|log|cpuprofile)$/
/** Pages link to them: they are there, with no text. */
const IMAGE = /^docs\/images\/[\w-]+\.png$/

export interface SourceModule extends SourceText {
  /** Relative to the project, with slashes. */
  readonly path: string
  readonly text: string
  readonly lineCount: number
  readonly imports: readonly (Import & { readonly target: string | undefined })[]
}

export function sourceModule(path: string, text: string): SourceModule {
  // The slashes of tags begin no regular expression.
  const split = splitSource(path.endsWith('.tsx') ? text.replace(/<\/|\/>/g, '  ') : text)
  const imports = importsOf(split).map((one) => ({
    ...one,
    target: one.specifier.startsWith('.') ? posix.join(posix.dirname(path), one.specifier) : undefined,
  }))
  return { path, text, lineCount: text.split('\n').length - 1, imports, ...split }
}

/** Every shipped text file, path → text, read once; of pictures of the docs the text is empty. */
export function shippedFiles(): ReadonlyMap<string, string> {
  files ??= new Map(
    pathsBelow('').map((path) => [path, IMAGE.test(path) ? '' : readFileSync(new URL(path, ROOT), 'utf8')]),
  )
  return files
}
let files: Map<string, string> | undefined

/** Every TypeScript module of the project. Throws when it finds fewer than there can be: a scan that sees nothing must not pass. */
export function sourceModules(): readonly SourceModule[] {
  modules ??= [...shippedFiles()]
    .filter(([path]) => /\.tsx?$/.test(path) && !path.includes('/fixtures/'))
    .map(([path, text]) => sourceModule(path, text))
  const imports = modules.reduce((sum, { imports }) => sum + imports.length, 0)
  if (modules.length < MODULES_MIN || imports < modules.length) {
    throw new Error(`The scan sees ${modules.length} modules with ${imports} imports: it is broken`)
  }
  return modules
}
let modules: SourceModule[] | undefined
const MODULES_MIN = 150

function pathsBelow(folder: string): string[] {
  return readdirSync(new URL(folder, ROOT), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`
    if (NOT_SHIPPED.has(entry.name) || path === 'bench/results' || path.startsWith('web/dist')) return []
    if (entry.isDirectory()) return pathsBelow(`${path}/`)
    return entry.isFile() && (IMAGE.test(path) || !NOT_TEXT.test(path)) ? [path] : []
  })
}
