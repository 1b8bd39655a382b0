import { createHmac } from 'node:crypto'
import { RegexError } from '../../base/regex-error.ts'
import type { FieldPath } from './field-path.ts'
import { type Hiding, hiddenJson, secretNames } from './mask/hidden-json.ts'
import { MAY_ESCAPE, screenBytes } from './mask/screen.ts'
import { DETECTORS, type Detector, type SecretPattern, SecretScanner } from './mask/secret-scanner.ts'
import type { PipelineRecord } from './pipeline-record.ts'
import type { Member, Members } from './record-members.ts'
import type { StepEnvironment, StepKind } from './step.ts'
import { oneOf, type StepParameters } from './step-parameters.ts'

const TEXT_DEFAULT = '[masked]'
const PATTERNS_MAX = 50
const HASH_CHARS = 16

/**
 * `{"type":"mask"}` with all detectors but IP addresses, in all text of the record; or `detectors`, `patterns` (regular expressions), `names` (of
 * members whose whole value is secret), `fields` (only these), `memberNames`, `replace`.
 */
export const maskStep: StepKind = {
  type: 'mask',
  onError: 'deadLetter',
  compile(parameters, environment) {
    const detectors = detectorsOf(parameters)
    const names = parameters.optionalTexts('names') ?? []
    const scanner = scannerOf(parameters, detectors, names)
    const fields = parameters.optionalFields('fields')
    const replace = replacementOf(parameters, environment)
    const hiding: Hiding = {
      text: (text, flags) => scanner.hide(text, replace, flags),
      whole: replace,
      isSecret: secretNames(detectors.has('passwords'), names),
      memberNames: parameters.boolean('memberNames', false),
    }
    const mask = new RecordMask(scanner, hiding, names.length > 0)
    return {
      apply(record) {
        if (fields === undefined) mask.all(record.members)
        else mask.fields(record, fields)
        return 'next'
      },
      hider: { inText: (text) => hiding.text(text), inBytes: (bytes) => scanner.hideBytes(bytes) },
    }
  },
}

/** What a record has that is secret is replaced on its decoded value, so that no escape hides it. */
class RecordMask {
  readonly #scanner: SecretScanner
  readonly #hiding: Hiding
  readonly #hasNames: boolean

  constructor(scanner: SecretScanner, hiding: Hiding, hasNames: boolean) {
    this.#scanner = scanner
    this.#hiding = hiding
    this.#hasNames = hasNames
  }

  /** Returns whether something was changed. */
  all(members: Members): boolean {
    const pair = this.#secretOfPair(members)
    for (let i = 0; i < members.count; i++) {
      const member = members.list[i]!
      if (this.#member(members, member, member === pair)) members.isChanged = true
      if (!this.#hiding.memberNames) continue
      const shown = this.#hiding.text(member.name)
      if (shown !== member.name) members.setName(member, shown)
    }
    return members.isChanged
  }

  fields(record: PipelineRecord, paths: readonly FieldPath[]): void {
    for (const path of paths) {
      const kind = record.kind(path)
      if (kind === undefined || kind === 'null' || kind === 'boolean') continue
      if (kind === 'object' || kind === 'array') {
        const json = record.json(path)!
        const hidden = hiddenJson(json, this.#hiding)
        if (hidden !== json) record.setJson(path, hidden)
        continue
      }
      const text = record.text(path)!
      const isSecret = text !== '' && this.#hiding.isSecret(path.keys.at(-1)!, kind === 'string')
      const hidden = isSecret ? this.#hiding.whole(text) : this.#hiding.text(text)
      if (hidden !== text) record.setText(path, hidden)
    }
  }

  /** Of `{"key":"password","value":…}`: the value. */
  #secretOfPair(members: Members): Member | undefined {
    const value = members.find('value')
    const name = value === undefined ? undefined : (members.find('name') ?? members.find('key'))
    if (value === undefined || name === undefined || members.kindOf(name) !== 'string') return undefined
    return this.#hiding.isSecret(members.textOf(name), members.kindOf(value) === 'string') ? value : undefined
  }

  #member(members: Members, member: Member, isOfPair: boolean): boolean {
    const { source } = members
    const kind = members.kindOf(member)
    if (kind === 'null' || kind === 'boolean') return false
    if (isOfPair || this.#hiding.isSecret(member.name, kind === 'string')) {
      const text = members.textOf(member)
      if (text === '') return false
      members.setJson(member, JSON.stringify(this.#hiding.whole(text)))
      return true
    }
    const isInSource = member.json === undefined && member.object === undefined
    const flags = isInSource ? screenBytes(source, member.start, member.end) : undefined
    if (kind === 'object') {
      // With names of its own the step has to look at every member.
      if (flags !== undefined && !this.#hasNames && !this.#scanner.isOfInterest(flags)) return false
      return this.all(members.objectOf(member)!)
    }
    if (kind === 'array') {
      if (flags !== undefined && !this.#hasNames && !this.#scanner.isOfInterest(flags)) return false
      const json = members.jsonOf(member)
      const hidden = hiddenJson(json, this.#hiding)
      if (hidden === json) return false
      members.setJson(member, hidden)
      return true
    }
    if (flags !== undefined && !this.#scanner.isOfInterest(flags)) return false
    const text = members.textOf(member)
    // Of a value without escapes the bytes say what its text does.
    const hidden = this.#hiding.text(text, flags !== undefined && (flags & MAY_ESCAPE) === 0 ? flags : undefined)
    if (hidden === text) return false
    members.setJson(member, JSON.stringify(hidden))
    return true
  }
}

function detectorsOf(parameters: StepParameters): ReadonlySet<Detector> {
  const named = parameters.optionalTexts('detectors', DETECTORS.length)
  if (named === undefined)
    return new Set(
      parameters.has('patterns') || parameters.has('names') ? [] : DETECTORS.filter((one) => one !== 'ipAddresses'),
    )
  return new Set(
    named.map((name, i) => {
      const detector = DETECTORS.find((one) => one === name)
      if (detector === undefined)
        throw parameters.error(`detectors/${i}`, 'is no detector', `One of ${oneOf(DETECTORS)}.`)
      return detector
    }),
  )
}

function scannerOf(
  parameters: StepParameters,
  detectors: ReadonlySet<Detector>,
  names: readonly string[],
): SecretScanner {
  const value = parameters.value('patterns')
  if (value !== undefined && (!Array.isArray(value) || value.length === 0 || value.length > PATTERNS_MAX))
    throw parameters.error('patterns', 'must be a list', `An array of 1 to ${PATTERNS_MAX} regular expressions.`)
  const patterns = (value ?? []).map((one: unknown, i: number) => {
    const pattern = patternOf(one)
    if (pattern === undefined)
      throw parameters.error(`patterns/${i}`, 'is no pattern', 'A string, or {"pattern":"…","flags":"i"}.')
    try {
      // By itself first: what is wrong is told of what was written.
      new SecretScanner(new Set(), [pattern])
    } catch (error) {
      if (!(error instanceof RegexError)) throw error
      throw parameters.error(`patterns/${i}`, `is refused: ${error.message}`)
    }
    return pattern
  })
  return new SecretScanner(detectors, patterns, names)
}

function patternOf(value: unknown): SecretPattern | undefined {
  if (typeof value === 'string' && value !== '') return { source: value, flags: '' }
  if (typeof value !== 'object' || value === null) return undefined
  const { pattern, flags = '', ...rest } = value as Record<string, unknown>
  if (typeof pattern !== 'string' || pattern === '' || typeof flags !== 'string') return undefined
  return Object.keys(rest).length > 0 ? undefined : { source: pattern, flags }
}

/** `replace`: `text` (the default; what is in `text`), `keepLast` (stars and the last characters), `hash` (equal for equal secrets of the tenant). */
function replacementOf(parameters: StepParameters, { hashKey }: StepEnvironment): (secret: string) => string {
  const text = parameters.optionalText('text', 200) ?? TEXT_DEFAULT
  const last = parameters.integer('last', 1, 16, 4)
  switch (parameters.choice('replace', ['text', 'keepLast', 'hash'], 'text')) {
    case 'text':
      return () => text
    case 'keepLast':
      // Of a short secret the rest would say too much.
      return (secret) => (secret.length < last * 3 ? '****' : `****${secret.slice(-last)}`)
    case 'hash':
      return (secret) => `[${createHmac('sha256', hashKey).update(secret).digest('hex').slice(0, HASH_CHARS)}]`
  }
}
