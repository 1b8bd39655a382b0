import { stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import maxmind from 'maxmind'
import type { Clock } from '../base/clock.ts'
import { WeirError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { GeoFacts, GeoLookup } from '../ingest/pipeline/enrich/geo-lookup.ts'

/** Answers kept for the most recent addresses. */
const KEPT_MAX = 10_000

const LOOK_EVERY_MS = 30_000

type Find = (address: string) => unknown

/**
 * A database of places in MaxMind's format (https://maxmind.github.io/MaxMind-DB/), held in memory whole. A file that is replaced is read
 * within half a minute; while it cannot be read, what was read before stays in use.
 */
export class GeoipDatabase implements GeoLookup {
  readonly #path: string
  readonly #logger: Logger
  #version: string
  #find: Find
  #isLooking = false

  private constructor(path: string, logger: Logger, version: string, find: Find) {
    this.#path = path
    this.#logger = logger
    this.#version = version
    this.#find = find
  }

  /** Throws invalid_config for a file that cannot be read. */
  static async open(path: string, clock: Clock, logger: Logger): Promise<GeoipDatabase> {
    try {
      const version = await versionOf(path)
      const database = new GeoipDatabase(path, logger, version, await readDatabase(path))
      clock.every(LOOK_EVERY_MS, () => void database.#look())
      return database
    } catch (error) {
      throw new WeirError('invalid_config', `geoip.file is no database of places: ${messageOf(error)}`, {
        setting: 'geoip.file',
      })
    }
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      const version = await versionOf(this.#path)
      if (version === this.#version) return
      // Noted first: a file that is no database is reported once.
      this.#version = version
      this.#find = await readDatabase(this.#path)
      this.#logger.info('the database of places was read again', { file: this.#path })
    } catch (error) {
      this.#logger.warn('the database of places cannot be read; what was read before stays in use', {
        file: this.#path,
        error: messageOf(error),
      })
    } finally {
      this.#isLooking = false
    }
  }

  find(address: string): GeoFacts | undefined {
    if (isIP(address) === 0) return undefined
    const found = this.#find(address)
    if (found === null || found === undefined) return undefined
    const facts = factsOf(found)
    return Object.keys(facts).length === 0 ? undefined : facts
  }
}

async function readDatabase(path: string): Promise<Find> {
  const reader = await maxmind.open(path, { cache: { max: KEPT_MAX } })
  return (address) => reader.get(address)
}

async function versionOf(path: string): Promise<string> {
  const { ino, size, mtimeMs } = await stat(path)
  return `${ino} ${size} ${mtimeMs}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Of the forms that databases of cities, countries and autonomous systems have, MaxMind's and the flat one of others. */
function factsOf(found: unknown): GeoFacts {
  return defined({
    country: text(found, 'country', 'iso_code') ?? text(found, 'country_code'),
    countryName: text(found, 'country', 'names', 'en') ?? text(found, 'country_name'),
    region: text(found, 'subdivisions', '0', 'names', 'en') ?? text(found, 'state1'),
    city: text(found, 'city', 'names', 'en') ?? text(found, 'city'),
    latitude: number(found, 'location', 'latitude') ?? number(found, 'latitude'),
    longitude: number(found, 'location', 'longitude') ?? number(found, 'longitude'),
    timezone: text(found, 'location', 'time_zone') ?? text(found, 'timezone'),
    asn: number(found, 'autonomous_system_number'),
    organisation: text(found, 'autonomous_system_organization'),
  })
}

function defined(facts: { [K in keyof GeoFacts]: GeoFacts[K] | undefined }): GeoFacts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
}

function at(value: unknown, keys: readonly string[]): unknown {
  let inner = value
  for (const key of keys) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, key)) return undefined
    inner = (inner as Record<string, unknown>)[key]
  }
  return inner
}

function text(value: unknown, ...keys: readonly string[]): string | undefined {
  const found = at(value, keys)
  return typeof found === 'string' && found !== '' ? found : undefined
}

function number(value: unknown, ...keys: readonly string[]): number | undefined {
  const found = at(value, keys)
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined
}
