import { BACKSLASH, COLON, QUOTE } from '../../json-text.ts'
import { isSecretName } from './named-secrets.ts'

/** How a mask changes what it finds. */
export interface Hiding {
  /** The text, secrets replaced; the same text where there is none. `flags`: its MAY_*, where they are known. */
  text(text: string, flags?: number): string
  /** In place of all of a value. */
  whole(text: string): string
  /** The value of a member of this name is a secret. */
  isSecret(name: string, isText: boolean): boolean
  /** Names of members are looked at too. */
  readonly memberNames: boolean
}

/** Secret by the built-in names, or by those of the definition, in any case. */
export function secretNames(builtIn: boolean, names: readonly string[]): (name: string, isText: boolean) => boolean {
  const own = new Set(names.map((name) => name.toLowerCase()))
  const known = new Map<string, number>()
  return (name, isText) => {
    let verdict = known.get(name)
    if (verdict === undefined) {
      const isOwn = own.has(name.toLowerCase())
      verdict =
        (isOwn || (builtIn && isSecretName(name, true)) ? 1 : 0) |
        (isOwn || (builtIn && isSecretName(name, false)) ? 2 : 0)
      if (known.size >= NAMES_KNOWN_MAX) known.clear()
      known.set(name, verdict)
    }
    return (verdict & (isText ? 1 : 2)) !== 0
  }
}

const NAMES_KNOWN_MAX = 4096

/** The JSON of any value, secrets replaced; numbers keep their text. The same text when there is none. */
export function hiddenJson(json: string, hiding: Hiding): string {
  const value: unknown = JSON.parse(json, keepNumber)
  const state: HidingState = { isChanged: false, members: 0 }
  const hidden = hide(value, hiding, state)
  // Of equal keys only the last has been looked at: the others go.
  return state.isChanged || state.members < membersIn(json) ? JSON.stringify(hidden) : json
}

interface HidingState {
  isChanged: boolean
  /** That were looked at. */
  members: number
}

/** Members of all objects in JSON text, equal keys and all: each has its colon. */
function membersIn(json: string): number {
  let count = 0
  let isInString = false
  for (let i = 0; i < json.length; i++) {
    const c = json.charCodeAt(i)
    if (c === QUOTE) isInString = !isInString
    else if (isInString) {
      if (c === BACKSLASH) i++
    } else if (c === COLON) count++
  }
  return count
}

/** A number's own text, until it is written again. */
class RawNumber {
  readonly source: string

  constructor(source: string) {
    this.source = source
  }
}

function keepNumber(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? new RawNumber(context?.source ?? String(value)) : value
}

function hide(value: unknown, hiding: Hiding, state: HidingState): unknown {
  if (typeof value === 'string') return changed(value, hiding.text(value), state)
  if (value instanceof RawNumber) {
    const hidden = hiding.text(value.source)
    if (hidden === value.source) return rawJson(value.source)
    state.isChanged = true
    return hidden
  }
  if (Array.isArray(value)) return value.map((one) => hide(one, hiding, state))
  if (typeof value !== 'object' || value === null) return value
  const named = nameOfPair(value)
  const members = Object.entries(value)
  state.members += members.length
  const entries = members.map(([name, member]): [string, unknown] => {
    const shown = hiding.memberNames ? changed(name, hiding.text(name), state) : name
    const isPaired = named !== undefined && name === 'value' && isWholeSecret(named, member, hiding)
    if (!isPaired && !isWholeSecret(name, member, hiding)) return [shown, hide(member, hiding, state)]
    state.isChanged = true
    return [shown, hiding.whole(typeof member === 'string' ? member : JSON.stringify(member))]
  })
  return Object.fromEntries(entries)
}

/** Of `{"key":"password","value":…}`: what is said of the value. */
function nameOfPair(value: object): string | undefined {
  const { key, name = key } = value as { readonly key?: unknown; readonly name?: unknown }
  return typeof name === 'string' ? name : undefined
}

function isWholeSecret(name: string, value: unknown, hiding: Hiding): boolean {
  if (value === null || typeof value === 'boolean' || value === '') return false
  return hiding.isSecret(name, typeof value === 'string')
}

function changed(before: string, after: string, state: HidingState): string {
  if (before !== after) state.isChanged = true
  return after
}

/** Of a text that is JSON already (TC39 proposal-json-parse-with-source). */
function rawJson(source: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source)
}
