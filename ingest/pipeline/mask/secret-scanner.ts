import { isUtf8 } from 'node:buffer'
import { StepBudget } from '../../../base/capture-matcher.ts'
import { CaptureRegex } from '../../../base/regex-captures.ts'
import { unescaped } from './escapes.ts'
import { findNamedSecrets, namesPattern } from './named-secrets.ts'
import { findCards, findEmails, findIpAddresses, findNationalIds } from './personal.ts'
import {
  MAY_DIGITS,
  MAY_EMAIL,
  MAY_ESCAPE,
  MAY_IP,
  MAY_LONG_NUMBER,
  MAY_NAME,
  MAY_TOKEN,
  MAY_URL,
  screenText,
} from './screen.ts'
import { Spans } from './spans.ts'
import { findTokens, findUrlSecrets } from './tokens.ts'

export const DETECTORS = ['passwords', 'tokens', 'emails', 'cards', 'nationalIds', 'ipAddresses'] as const
export type Detector = (typeof DETECTORS)[number]

/** A regular expression of a user; its match is a secret. */
export interface SecretPattern {
  readonly source: string
  readonly flags: string
}

/** JSON in JSON in JSON, or a query string in a URL in JSON. */
const LAYERS_MAX = 3
const STAR = 0x2a
/** T2: the steps of all patterns on one text, in all its layers, are counted together. */
const budget = new StepBudget()
/** Bytes that no text has. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is asked for
const CONTROL = /[\x00-\x08\x0e-\x1f]/
const SECRET = 'weirSecret'

/** Finds secrets in text, in time linear in it. */
export class SecretScanner {
  readonly #detectors: ReadonlySet<Detector>
  readonly #patterns: readonly CaptureRegex[]
  /** Further names whose values are secret. Only bytes of any form are searched for them: of a record the members are known. */
  readonly #names: RegExp | undefined
  /** MAY_* without which nothing is found. */
  readonly #interest: number

  /** Throws RegexError for a pattern that is malformed, not linear, or too large. */
  constructor(detectors: ReadonlySet<Detector>, patterns: readonly SecretPattern[], names: readonly string[] = []) {
    this.#detectors = detectors
    this.#names = names.length === 0 ? undefined : namesPattern(names)
    this.#patterns = patterns.map(({ source, flags }) => new CaptureRegex(`(?P<${SECRET}>${source})`, flags))
    const interest = (detector: Detector, flags: number) => (detectors.has(detector) ? flags : 0)
    this.#interest =
      MAY_ESCAPE |
      interest('passwords', MAY_NAME | MAY_URL) |
      interest('tokens', MAY_TOKEN) |
      interest('emails', MAY_EMAIL) |
      interest('cards', MAY_DIGITS) |
      interest('nationalIds', MAY_DIGITS) |
      interest('ipAddresses', MAY_IP)
  }

  /** True when a text with these MAY_* may hold a secret. */
  isOfInterest(flags: number): boolean {
    return (flags & this.#interest) !== 0 || this.#patterns.length > 0
  }

  /**
   * The text with every secret replaced; the same text when there is none. `flags` are its MAY_*, where they are known. Throws when a
   * pattern takes too many steps.
   */
  hide(text: string, replace: (secret: string) => string, flags = screenText(text)): string {
    if (!this.isOfInterest(flags)) return text
    const spans = this.#find(text, flags, false)
    if (spans.isEmpty) return text
    let hidden = ''
    let from = 0
    for (const [start, end] of spans.joined()) {
      hidden += text.slice(from, start) + replace(text.slice(start, end))
      from = end
    }
    return hidden + text.slice(from)
  }

  /** Bytes of any form with every byte of a secret replaced by `*`; the same bytes when there is none. All of them, when that cannot be told. */
  hideBytes(bytes: Uint8Array): Uint8Array {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const isText = isUtf8(bytes)
    const text = buffer.toString(isText ? 'utf8' : 'latin1')
    let spans: Spans
    try {
      spans = this.#find(text, screenText(text), true)
    } catch {
      return new Uint8Array(bytes.length).fill(STAR)
    }
    if (spans.isEmpty) return bytes
    const hidden = Uint8Array.from(bytes)
    const isOneToOne = text.length === bytes.length
    let chars = 0
    let offset = 0
    const offsetOf = (char: number): number => {
      if (isOneToOne) return char
      offset += Buffer.byteLength(text.slice(chars, char))
      chars = char
      return offset
    }
    for (const [start, end] of spans.joined()) {
      const from = offsetOf(start)
      hidden.fill(STAR, from, offsetOf(end))
    }
    return hidden
  }

  #find(text: string, flagsOfText: number, isRaw: boolean): Spans {
    const spans = new Spans()
    budget.reset(text.length)
    let layer = text
    let flags = flagsOfText
    /** Places of the layer in the text; undefined: the same. */
    let at: Int32Array | undefined
    for (let depth = 0; depth <= LAYERS_MAX; depth++) {
      if (this.isOfInterest(flags) || (isRaw && this.#names !== undefined)) {
        if (at === undefined) this.#findIn(layer, flags, isRaw, spans)
        else {
          const inLayer = new Spans()
          this.#findIn(layer, flags, isRaw, inLayer)
          for (const [start, end] of inLayer.joined()) spans.add(at[start]!, at[end]!)
        }
      }
      if ((flags & MAY_ESCAPE) === 0) break
      const next = unescaped(layer)
      if (next === undefined) break
      const above = at
      at = above === undefined ? next.at : next.at.map((place) => above[place]!)
      layer = next.text
      flags = screenText(layer)
    }
    return spans
  }

  #findIn(text: string, flags: number, isRaw: boolean, spans: Spans): void {
    const has = this.#detectors
    const isBinary = isRaw && CONTROL.test(text)
    if (has.has('passwords')) {
      if ((flags & MAY_NAME) !== 0) findNamedSecrets(text, spans, isRaw)
      if ((flags & MAY_URL) !== 0) findUrlSecrets(text, spans)
    }
    if (isRaw && this.#names !== undefined) findNamedSecrets(text, spans, isRaw, this.#names)
    if ((flags & MAY_TOKEN) !== 0 && has.has('tokens')) findTokens(text, spans)
    if ((flags & MAY_EMAIL) !== 0 && has.has('emails')) findEmails(text, spans)
    if ((flags & MAY_DIGITS) !== 0) {
      const isLong = (flags & MAY_LONG_NUMBER) !== 0
      if (isLong && has.has('cards')) findCards(text, spans, isBinary)
      if (has.has('nationalIds')) findNationalIds(text, spans, isLong, isBinary)
    }
    if ((flags & MAY_IP) !== 0 && has.has('ipAddresses')) findIpAddresses(text, spans)
    for (const pattern of this.#patterns) {
      if (!pattern.findAll(text, budget, (start, end) => spans.add(start, end)))
        throw new Error('a pattern takes too many steps')
    }
  }
}
