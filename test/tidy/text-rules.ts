import { posix } from 'node:path'
import { lineAt } from './source-text.ts'

type Files = ReadonlyMap<string, string>

/** Home directories and mounts of some machine; pieces keep this file from finding itself. */
const MACHINE_PATH = new RegExp(`(?<![\\w.~-])/(?:${['work', 'root', 'home', 'Users', 'mnt'].join('|')})/[\\w.-]+`, 'g')
const URL_HOST = /\b(?:https?|git\+ssh|git\+https):\/\/([\w.-]+)/g
const REGISTRY_HOST = /(?:^|\.)(?:registry|npm|mirror|proxy|artifactory|nexus|verdaccio)(?:[.-]|$)/
const PUBLIC_REGISTRY = 'registry.npmjs.org'
const LOCK_FILE = 'package-lock.json'

/** Paths of a machine and addresses of package mirrors that would go out with the project. */
export function machineTraces(files: Files): string[] {
  return [...files].flatMap(([path, text]) => {
    const paths = [...text.matchAll(MACHINE_PATH)].map((match) => `${at(path, text, match)}: path ${match[0]}`)
    const hosts = [...text.matchAll(URL_HOST)].flatMap((match) => {
      const host = match[1] as string
      if (path === LOCK_FILE && host === PUBLIC_REGISTRY) return []
      return REGISTRY_HOST.test(host) ? [`${at(path, text, match)}: registry ${host}`] : []
    })
    return [...paths, ...hosts]
  })
}

interface LockedPackage {
  readonly resolved?: string
  readonly integrity?: string
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/**
 * `npm ci` accepts the lock file everywhere: packages for all platforms are in it, what may be installed is known by its hash, and where
 * a source is named it is the public registry.
 */
export function lockProblems(lockText: string): string[] {
  const { packages } = JSON.parse(lockText) as { packages: Record<string, LockedPackage> }
  const paths = Object.keys(packages)
  return Object.entries(packages).flatMap(([path, { resolved, integrity, optional, optionalDependencies }]) => {
    const isElsewhere = resolved !== undefined && !resolved.startsWith(`https://${PUBLIC_REGISTRY}/`)
    const missing = Object.keys(optionalDependencies ?? {}).filter(
      (name) => !paths.some((other) => other.endsWith(`node_modules/${name}`)),
    )
    return [
      isElsewhere ? [`${path}: from ${resolved}`] : [],
      path !== '' && integrity === undefined && !optional ? [`${path}: no integrity`] : [],
      missing.map((name) => `${path}: ${name} is not in the file (npm run lock)`),
    ].flat()
  })
}

/** Versions that another install would resolve otherwise. */
export function looseVersions(manifestText: string): string[] {
  const manifest = JSON.parse(manifestText) as Record<string, Record<string, string> | undefined>
  return ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides'].flatMap((kind) =>
    Object.entries(manifest[kind] ?? {}).flatMap(([name, version]) =>
      /^(?:npm:[@\w./-]+@)?\d+\.\d+\.\d+$/.test(version) ? [] : [`${kind}.${name}: ${version} is not an exact version`],
    ),
  )
}

/** Links of Markdown pages to files that are not there. */
export function brokenLinks(files: Files): string[] {
  const folders = new Set([...files.keys()].flatMap(ancestors))
  return [...files].flatMap(([path, text]) => {
    if (!path.endsWith('.md')) return []
    return [...text.matchAll(/\]\((?!\w+:|#)([^)\s#]+)(?:#[^)\s]*)?\)/g)].flatMap((match) => {
      const target = posix.join(posix.dirname(path), match[1] as string).replace(/\/$/, '')
      return files.has(target) || folders.has(target) ? [] : [`${at(path, text, match)}: there is no ${target}`]
    })
  })
}

/** Source files and folders that pages name and that are not there. */
export function staleNames(files: Files): string[] {
  const folders = new Set([...files.keys()].flatMap(ancestors))
  const pattern = /(?<![\w/<>.-])(?:base|ingest|query|storage|cluster|actors|api|node|bench|test|docs)\/[\w./*-]*/g
  return [...files].flatMap(([path, text]) => {
    if (!path.endsWith('.md')) return []
    return [...text.matchAll(pattern)].flatMap((match) => {
      const name = match[0].replace(/[./]+$/, '')
      return name.includes('*') || files.has(name) || folders.has(name)
        ? []
        : [`${at(path, text, match)}: there is no ${name}`]
    })
  })
}

/** Decision records: numbered without gaps, each in the index, each with its four parts. */
export function decisionProblems(files: Files): string[] {
  const folder = 'docs/adr/'
  const index = files.get(`${folder}README.md`) ?? ''
  const records = [...files.keys()].filter((path) => path.startsWith(folder) && path !== `${folder}README.md`).sort()
  return records.flatMap((path, i) => {
    const name = path.slice(folder.length)
    const text = files.get(path) as string
    const number = String(i + 1).padStart(4, '0')
    const title = /^# (\d{4})\. (.+)$/m.exec(text)
    return [
      name.startsWith(`${number}-`) ? [] : [`${path}: number ${number} comes next`],
      title?.[1] === number ? [] : [`${path}: the title does not begin with ${number}.`],
      index.includes(`](${name})`) ? [] : [`${path}: not in the index`],
      ['Context', 'Decision', 'Rejected', 'Consequences'].flatMap((part) =>
        new RegExp(`^## ${part}`, 'm').test(text) ? [] : [`${path}: no part "${part}"`],
      ),
    ].flat()
  })
}

/** Rules that are cited, a letter and a number each, but not on the page of rules. */
export function unknownRules(cited: Files, page: string): string[] {
  const known = new Set([...page.matchAll(/^- \*\*([A-Z]\d+[a-z]?)\*\*/gm)].map((match) => match[1]))
  return [...cited].flatMap(([path, text]) =>
    [...text.matchAll(/(?<![\w.-])[JDSCTQAX]\d{1,2}a?\b(?![.-]?\w)/g)].flatMap((match) =>
      known.has(match[0]) ? [] : [`${at(path, text, match)}: rule ${match[0]} is not in docs/invariants.md`],
    ),
  )
}

function ancestors(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

function at(path: string, text: string, match: RegExpMatchArray): string {
  return `${path}:${lineAt(text, match.index as number)}`
}
