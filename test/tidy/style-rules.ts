import { posix } from 'node:path'
import { lineAt } from './source-text.ts'
import type { SourceModule } from './source-tree.ts'

const LINES_MAX = 500
/** Made by `npm run docs`. */
const GENERATED = 'web/src/api-types.ts'
const KEBAB_CASE = /^(?:[a-z0-9]+(?:-[a-z0-9]+)*\/)*[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test)?\.tsx?$/

interface Ban {
  readonly what: string
  readonly pattern: RegExp
  readonly where: RegExp
  readonly in: 'code' | 'comments' | 'text'
}

const EVERYWHERE = /^/
/** Time, timers and randomness enter through base/clock.ts, so that a simulated clock can replay a run; in the browser through web/src/browser-clock.ts. */
const ON_THE_CLOCK = /^(?!base\/|bench\/|test\/|web\/src\/browser-clock\.ts$)/
const TESTS = /^test\//
const NOT_TESTS = /^(?!test\/)/

const BANS: readonly Ban[] = [
  { what: 'a default export', pattern: /^\s*export\s+default\b/gm, where: EVERYWHERE, in: 'code' },
  { what: 'an enum', pattern: /^\s*(?:export\s+)?(?:const\s+)?enum\s+\w/gm, where: EVERYWHERE, in: 'code' },
  { what: 'a namespace', pattern: /^\s*(?:export\s+)?(?:namespace|module)\s+\w/gm, where: EVERYWHERE, in: 'code' },
  {
    what: '`any`',
    pattern: /(?:[:<|&]\s*|=>\s*|\bas\s+)any\b(?!\s*[(:])|\bany(?:\[\]|>)/g,
    where: NOT_TESTS,
    in: 'code',
  },
  { what: 'ambient time', pattern: /\bDate\.now\b|\bperformance\.now\b|\bhrtime\b/g, where: ON_THE_CLOCK, in: 'code' },
  { what: 'ambient time', pattern: /\bnew Date\(\s*\)|(?<!new )\bDate\(\s*\)/g, where: ON_THE_CLOCK, in: 'code' },
  {
    what: 'an ambient timer',
    pattern: /\b(?:setTimeout|setInterval|setImmediate)\b/g,
    where: ON_THE_CLOCK,
    in: 'code',
  },
  { what: 'ambient randomness', pattern: /\bMath\.random\b|\brandomUUID\b/g, where: ON_THE_CLOCK, in: 'code' },
  { what: 'unfinished work', pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g, where: EVERYWHERE, in: 'comments' },
  { what: 'a silenced checker', pattern: /@ts-(?:ignore|nocheck|expect-error)\b/g, where: EVERYWHERE, in: 'comments' },
  {
    what: 'a test that does not run',
    pattern:
      /\b(?:test|describe|it|suite)\.(?:skip|only|todo)\b|\bskip:|\bonly:\s*true|\btodo:|\b(?:t|context)\.(?:skip|todo)\(/g,
    where: TESTS,
    in: 'code',
  },
]

export function bannedText(modules: readonly SourceModule[]): string[] {
  return modules.flatMap((module) =>
    BANS.filter((ban) => ban.where.test(module.path)).flatMap((ban) =>
      [...module[ban.in].matchAll(ban.pattern)].map(
        (match) => `${module.path}:${lineAt(module.text, match.index + match[0].search(/\S/))}: ${ban.what}`,
      ),
    ),
  )
}

export function longFiles(modules: readonly SourceModule[]): string[] {
  return modules.flatMap(({ path, lineCount }) =>
    lineCount > LINES_MAX && !path.startsWith('test/') && path !== GENERATED
      ? [`${path}: ${lineCount} lines, ${LINES_MAX} at most`]
      : [],
  )
}

export function unkebabNames(modules: readonly SourceModule[]): string[] {
  return modules.flatMap(({ path }) => (KEBAB_CASE.test(path) ? [] : [`${path}: the name is not in kebab case`]))
}

/** A module that only hands on what others export. */
export function barrels(modules: readonly SourceModule[]): string[] {
  return modules.flatMap(({ path, code }) => {
    if (/(?:^|\/)index\.ts$/.test(path) && !path.startsWith('bench/')) return [`${path}: an index module`]
    const reexports = [...code.matchAll(/^\s*export\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;\n]*\bfrom\b/gm)]
    return reexports.map((match) => `${path}:${lineAt(code, match.index + match[0].search(/\S/))}: a re-export`)
  })
}

/** The folders of unit tests are those of the modules they test. */
export function strayUnitTests(modules: readonly SourceModule[]): string[] {
  const folders = new Set(modules.map(({ path }) => posix.dirname(path)))
  return modules.flatMap(({ path }) => {
    const folder = posix.dirname(path)
    if (!folder.startsWith('test/unit/')) return []
    const tested = folder.slice('test/unit/'.length)
    return folders.has(tested) || folders.has(`test/${tested}`)
      ? []
      : [`${path}: there is no folder of that name to test`]
  })
}
