import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'yaml'
import type { Clock, Timer } from '../base/clock.ts'
import { asWeirError } from '../base/errors.ts'
import { isTenantName, TENANT_DEFAULT, type TenantId } from '../base/ids.ts'
import { ALERT_RULE_FILE_BYTES_MAX, ALERT_RULE_FILES_MAX, ALERT_RULES_PER_TENANT_MAX } from '../base/limits.ts'
import type { Logger } from '../base/logger.ts'
import type { AlertRules } from './alert-desk.ts'

const LOOK_MS = 30_000
/** Ids of rules of files begin with it: those that no file has any more are removed. */
const PREFIX = 'file.'

export interface AlertRuleFilesOptions {
  readonly directory: string
  readonly rules: AlertRules
  readonly clock: Clock
  readonly logger: Logger
}

interface FileRule {
  readonly tenant: TenantId
  readonly id: string
  readonly definition: Record<string, unknown>
}

/**
 * Rules that are kept as files (`*.yaml`: `tenant`, `rules` with an `id` each) and put into the registry when the node starts and when they change. Every node may
 * do so, with the same files. A mistake is logged with its file; then what is good is taken over, and nothing is removed.
 */
export class AlertRuleFiles {
  readonly #options: AlertRuleFilesOptions
  readonly #looking: Timer
  #digest = ''

  constructor(options: AlertRuleFilesOptions) {
    this.#options = options
    this.#looking = options.clock.every(LOOK_MS, () => void this.look())
  }

  close(): void {
    this.#looking.cancel()
  }

  /** Takes over what has changed. Does not reject. */
  async look(): Promise<void> {
    const { directory, logger } = this.#options
    try {
      const files = await readFiles(directory)
      const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex')
      if (digest === this.#digest) return
      if (await this.#takeOver(files)) this.#digest = digest
    } catch (error) {
      logger.error('alert rules of files could not be read', { directory, error })
    }
  }

  /** False when it is to be tried again. */
  async #takeOver(files: readonly (readonly [string, string])[]): Promise<boolean> {
    const { logger, rules } = this.#options
    const wanted = new Map<string, FileRule>()
    let isGood = true
    for (const [file, text] of files) {
      try {
        for (const rule of rulesOf(text)) wanted.set(`${rule.tenant}/${rule.id}`, rule)
      } catch (error) {
        isGood = false
        logger.error('a file of alert rules is wrong', { file, error })
      }
    }
    let isDone = true
    for (const rule of wanted.values()) {
      try {
        await this.#put(rule)
      } catch (error) {
        isGood = false
        const { code, retryable } = asWeirError(error)
        // Another node puts the same.
        if (code === 'conflict') continue
        isDone &&= !retryable
        logger.error('an alert rule of a file is wrong', { tenant: rule.tenant, rule: rule.id, error })
      }
    }
    if (!isGood) return isDone
    for (const tenant of [...rules.tenants()]) {
      for (const { id } of [...rules.known(tenant)]) {
        if (!id.startsWith(PREFIX) || wanted.has(`${tenant}/${id}`)) continue
        await rules.remove(tenant, id).catch((error) => {
          isDone &&= asWeirError(error).code === 'not_found'
        })
      }
    }
    return isDone
  }

  async #put({ tenant, id, definition }: FileRule): Promise<void> {
    const { rules } = this.#options
    for (const known of rules.known(tenant)) {
      if (known.id === id && isDeepStrictEqual(known.value, definition)) return
    }
    await rules.put(tenant, id, definition)
  }
}

async function readFiles(directory: string): Promise<(readonly [string, string])[]> {
  const names = (await readdir(directory)).filter((name) => /\.ya?ml$/.test(name)).sort()
  if (names.length > ALERT_RULE_FILES_MAX) throw new Error(`there are more than ${ALERT_RULE_FILES_MAX} files`)
  const files: (readonly [string, string])[] = []
  for (const name of names) {
    const bytes = await readFile(join(directory, name))
    if (bytes.length > ALERT_RULE_FILE_BYTES_MAX)
      throw new Error(`${name} is larger than ${ALERT_RULE_FILE_BYTES_MAX} bytes`)
    files.push([name, bytes.toString('utf8')])
  }
  return files
}

/** Throws an Error that says what is wrong; what a definition may have is for the rules to say. */
function rulesOf(text: string): FileRule[] {
  const document: unknown = parse(text, { maxAliasCount: 100 })
  if (!isObject(document)) throw new Error('a file has `rules`')
  const { tenant = TENANT_DEFAULT, rules, ...rest } = document
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw new Error(`\`${unknown}\` is not known; there are tenant, rules`)
  if (typeof tenant !== 'string' || !isTenantName(tenant)) throw new Error('`tenant` is not the name of one')
  if (!Array.isArray(rules)) throw new Error('`rules` must be a list')
  if (rules.length > ALERT_RULES_PER_TENANT_MAX) throw new Error('there are too many rules in one file')
  return rules.map((rule: unknown, i) => {
    if (!isObject(rule)) throw new Error(`rules/${i} must be an object`)
    const { id, ...definition } = rule
    if (typeof id !== 'string' || !isTenantName(PREFIX + id)) throw new Error(`rules/${i}/id is not the name of a rule`)
    return { tenant, id: PREFIX + id, definition: { name: id, ...definition } }
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
