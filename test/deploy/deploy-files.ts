import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseAllDocuments } from 'yaml'
import type { Settings } from '../../node/config.ts'
import { loadConfig } from '../../node/config-load.ts'

// biome-ignore lint/suspicious/noExplicitAny: what a file holds is what the tests are about
export type Parsed = any

const ROOT = new URL('../../', import.meta.url)

/** Text of a file of the project. */
export function fileText(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8')
}

/** The documents of a YAML file, merge keys resolved. Throws for what is not YAML. */
export function yamlDocuments(text: string): Parsed[] {
  return parseAllDocuments(text, { merge: true }).map((document) => {
    const problem = document.errors[0] ?? document.warnings[0]
    if (problem !== undefined) throw problem
    return document.toJS()
  })
}

/** Settings that a node takes from these variables and nothing else. Throws invalid_config. */
export function settingsOf(env: Readonly<Record<string, string>>): Settings {
  return loadConfig({ flags: [], env, cwd: tmpdir() }).settings
}

/** The `ENV` of the image: what every container of it gets. */
export function imageEnvironment(dockerfile: string): Record<string, string> {
  const block = /^ENV ((?:.*\\\n)*.*)$/m.exec(dockerfile)?.[1] ?? ''
  return Object.fromEntries([...block.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]))
}

/** What `docker compose` makes of `${NAME:-default}` when nothing is set. */
export function interpolated(value: unknown): string {
  return String(value).replace(VARIABLE, (_, _name, preset: string) => preset)
}

/** Name → default of each variable that a compose file takes from outside. */
export function variablesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(VARIABLE)].map(([, name, preset]) => [name as string, preset as string]))
}
const VARIABLE = /\$\{(\w+):-([^}]*)\}/g
