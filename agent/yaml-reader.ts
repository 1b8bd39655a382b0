import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml'
import { withinEditDistance } from '../base/edit-distance.ts'

type Environment = Readonly<Record<string, string | undefined>>

const BYTE_UNITS: Readonly<Record<string, number>> = { b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 }
const TIME_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }
const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}|\$\$/g

/** Collects what is wrong with a configuration; all of it is told at once. */
export class ConfigProblems {
  readonly list: string[] = []
  readonly #file: string
  readonly #lines = new LineCounter()

  constructor(file: string) {
    this.#file = file
  }

  get lines(): LineCounter {
    return this.#lines
  }

  add(offset: number | undefined, what: string): void {
    const line = offset === undefined ? '' : ` line ${this.#lines.linePos(offset).line}`
    this.list.push(`${this.#file}${line}: ${what}`)
  }
}

/** The top of a YAML file, whose texts may name variables of the environment: `${NAME}`, `${NAME:-default}`, `$$` for a dollar. */
export function readYaml(text: string, problems: ConfigProblems, environment: Environment): MapReader {
  const document = parseDocument(text, { lineCounter: problems.lines, prettyErrors: false })
  for (const error of document.errors) problems.add(error.pos[0], error.message)
  const { contents } = document
  if (contents !== null && !isMap(contents) && document.errors.length === 0) {
    problems.add(contents.range?.[0], 'the file must be a map of settings')
  }
  return new MapReader(isMap(contents) ? contents : undefined, '', problems, environment)
}

/** Reads the members of one map; each by its kind and within its bounds. What nobody has asked for when `finish` is called is unknown. */
export class MapReader {
  readonly #map: YAMLMap | undefined
  readonly #path: string
  readonly #problems: ConfigProblems
  readonly #environment: Environment
  readonly #asked = new Set<string>()

  constructor(map: YAMLMap | undefined, path: string, problems: ConfigProblems, environment: Environment) {
    this.#map = map
    this.#path = path
    this.#problems = problems
    this.#environment = environment
  }

  has(name: string): boolean {
    return this.#map?.has(name) ?? false
  }

  isMap(name: string): boolean {
    return isMap(this.#map?.get(name, true))
  }

  text(name: string): string | undefined {
    const value = this.#value(name)
    if (value === undefined || value === null) return undefined
    if (typeof value === 'string' && value !== '') return value
    if (typeof value === 'number') return String(value)
    return this.problem(name, 'must be a text that is not empty')
  }

  choice<T extends string>(name: string, choices: readonly T[], otherwise: T): T {
    const value = this.#value(name)
    if (value === undefined || value === null) return otherwise
    const chosen = choices.find((choice) => choice === value)
    return chosen ?? this.problem(name, `must be one of ${choices.join(', ')}`) ?? otherwise
  }

  boolean(name: string, otherwise: boolean): boolean {
    const value = this.#value(name)
    if (value === undefined || value === null) return otherwise
    if (value === true || value === 'true') return true
    if (value === false || value === 'false') return false
    return this.problem(name, 'must be true or false') ?? otherwise
  }

  integer(name: string, otherwise: number, min: number, max: number): number {
    const value = this.#value(name)
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value
    return this.#inRange(name, number, otherwise, min, max, 'a whole number')
  }

  bytes(name: string, otherwise: number, min: number, max: number): number {
    return this.#inRange(name, scaled(this.#value(name), BYTE_UNITS), otherwise, min, max, 'bytes such as 64MiB')
  }

  duration(name: string, otherwiseMs: number, minMs: number, maxMs: number): number {
    return this.#inRange(
      name,
      scaled(this.#value(name), TIME_UNITS_MS),
      otherwiseMs,
      minMs,
      maxMs,
      'a time such as 10s',
    )
  }

  /** A list of texts, or one text alone. */
  texts(name: string): readonly string[] {
    this.#asked.add(name)
    const node = this.#map?.get(name, true) as Node | undefined
    if (!isSeq(node)) {
      const one = this.text(name)
      return one === undefined ? [] : [one]
    }
    return node.items.flatMap((item) => {
      const value = isScalar(item) ? this.#expanded(name, item.value) : undefined
      if (typeof value === 'string' && value !== '') return [value]
      this.problem(name, 'must be a list of texts')
      return []
    })
  }

  /** Any values by name, such as fields that every record gets. */
  values(name: string): Readonly<Record<string, unknown>> {
    this.#asked.add(name)
    const node = this.#map?.get(name, true) as Node | undefined
    if (node === undefined || (isScalar(node) && node.value === null)) return {}
    if (!isMap(node)) {
      this.problem(name, 'must be a map')
      return {}
    }
    const expand = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(expand)
      if (typeof value !== 'object' || value === null) return this.#expanded(name, value)
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner)]))
    }
    return expand(node.toJSON()) as Record<string, unknown>
  }

  /** A map in this one; an empty one where there is none. */
  map(name: string): MapReader {
    this.#asked.add(name)
    const node = this.#map?.get(name, true) as Node | undefined
    if (node !== undefined && !isMap(node) && !(isScalar(node) && node.value === null))
      this.problem(name, 'must be a map')
    return new MapReader(isMap(node) ? node : undefined, this.#name(name), this.#problems, this.#environment)
  }

  /** A list of maps. */
  maps(name: string): readonly MapReader[] {
    this.#asked.add(name)
    const node = this.#map?.get(name, true) as Node | undefined
    if (node === undefined) return []
    if (!isSeq(node)) {
      this.problem(name, 'must be a list')
      return []
    }
    return node.items.flatMap((item, i) => {
      if (isMap(item)) return [new MapReader(item, `${this.#name(name)}[${i}]`, this.#problems, this.#environment)]
      this.problem(name, 'must be a list of maps')
      return []
    })
  }

  problem(name: string, what: string): undefined {
    const node = this.#map?.get(name, true) as Node | undefined
    this.#problems.add(node?.range?.[0] ?? this.#map?.range?.[0], `${this.#name(name)} ${what}`)
  }

  /** Tells of members that nobody has asked for. */
  finish(): void {
    for (const { key } of this.#map?.items ?? []) {
      const name = isScalar(key) ? String(key.value) : '?'
      if (this.#asked.has(name)) continue
      const near = [...this.#asked].find((known) => withinEditDistance(name.toLowerCase(), known.toLowerCase(), 2))
      const offset = isScalar(key) ? key.range?.[0] : undefined
      this.#problems.add(offset, `unknown setting ${this.#name(name)}${near ? `; did you mean ${near}?` : ''}`)
    }
  }

  #value(name: string): unknown {
    this.#asked.add(name)
    const node = this.#map?.get(name, true) as Node | undefined
    if (node === undefined) return undefined
    return isScalar(node) ? this.#expanded(name, node.value) : node
  }

  #expanded(name: string, value: unknown): unknown {
    if (typeof value !== 'string') return value
    return value.replace(VARIABLE, (all, variable?: string, hasDefault?: string, byDefault?: string) => {
      if (all === '$$') return '$'
      const given = this.#environment[variable!]
      if (given !== undefined && given !== '') return given
      if (hasDefault !== undefined) return byDefault ?? ''
      this.problem(name, `names the variable ${variable}, which the environment does not have`)
      return ''
    })
  }

  #inRange(name: string, value: unknown, otherwise: number, min: number, max: number, form: string): number {
    if (!this.has(name) || value === null) return otherwise
    if (typeof value !== 'number' || !Number.isSafeInteger(value))
      return this.problem(name, `must be ${form}`) ?? otherwise
    if (value >= min && value <= max) return value
    return this.problem(name, `must be from ${min} to ${max}`) ?? otherwise
  }

  #name(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }
}

/** A number with a unit; whatever else it is comes back as it is. */
function scaled(raw: unknown, units: Readonly<Record<string, number>>): unknown {
  const match = typeof raw === 'string' ? /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(raw.trim()) : null
  if (!match) return raw
  const unit = match[2] === '' ? 1 : units[(match[2] ?? '').toLowerCase()]
  return unit === undefined ? raw : Number(match[1]) * unit
}
