import { assert } from '../base/assert.ts'
import { withinEditDistance } from '../base/edit-distance.ts'
import { PrefixIndex } from './text-index.ts'

/** More words than this are not scanned for similar ones: at about 100 ns a word a scan stays within a slice (T2). */
export const FUZZY_SCAN_WORDS_MAX = 100_000
/** Furthest a suggested word may be from what was typed. */
const SUGGEST_DISTANCE_MAX = 2
const REMOVALS_BETWEEN_CLEANUPS = 4096

/** The distinct words of an index, for prefixes, patterns and misspellings. */
export class Vocabulary {
  /** By number; undefined where a word was removed. */
  readonly #words: (string | undefined)[] = []
  readonly #numbers = new Map<string, number>()
  readonly #free: number[] = []
  readonly #prefixes = new PrefixIndex()
  #removals = 0

  constructor(words: Iterable<string>) {
    for (const word of words) this.add(word)
  }

  get size(): number {
    return this.#numbers.size
  }

  add(word: string): void {
    assert(word.length > 0, 'a word has letters')
    if (this.#numbers.has(word)) return
    const number = this.#free.pop() ?? this.#words.length
    this.#words[number] = word
    this.#numbers.set(word, number)
    this.#prefixes.add(number, word)
  }

  remove(word: string): void {
    const number = this.#numbers.get(word)
    if (number === undefined) return
    this.#numbers.delete(word)
    this.#words[number] = undefined
    this.#prefixes.remove(number)
    this.#free.push(number)
    if (++this.#removals >= REMOVALS_BETWEEN_CLEANUPS) {
      this.#removals = 0
      this.#prefixes.cleanup()
    }
  }

  /** All words that begin with `prefix`, in no order. */
  withPrefix(prefix: string): string[] {
    if (prefix === '') return [...this.#numbers.keys()]
    const words: string[] = []
    for (const number of this.#prefixes.candidates(prefix)) {
      const word = this.#words[number]
      if (word?.startsWith(prefix)) words.push(word)
    }
    return words
  }

  /** All words that match a pattern of literal letters, `*` (any run) and `?` (one UTF-16 unit), in no order. */
  withPattern(pattern: string): string[] {
    const matches = wildcardMatcher(pattern)
    return this.withPrefix(literalPrefix(pattern)).filter(matches)
  }

  /** All words within edit distance `distance` of `word`; null when there are too many words to look through. */
  near(word: string, distance: number): string[] | null {
    return wordsNear(this.#numbers.keys(), this.size, word, distance)
  }
}

/** Words of `words` (`count` of them) within `distance` of `word`; null when they are too many to look through. */
function wordsNear(words: Iterable<string>, count: number, word: string, distance: number): string[] | null {
  if (count > FUZZY_SCAN_WORDS_MAX) return null
  const near: string[] = []
  const isNearWord = nearTo(word, distance)
  for (const candidate of words) if (isNearWord(candidate)) near.push(candidate)
  return near
}

/** Whether a candidate is within `distance` of `word`. */
export function nearTo(word: string, distance: number): (candidate: string) => boolean {
  const letters = lettersOf(word)
  return (candidate) => isNear(candidate, word, letters, distance)
}

/**
 * "Did you mean": words near `typed` that occur, nearest first, then the most frequent. `frequency` says in how many blocks a
 * word is. Empty when `typed` occurs itself.
 */
export function suggestWords(
  words: Iterable<string>,
  typed: string,
  frequency: (word: string) => number,
  limit: number,
): string[] {
  const found: { readonly word: string; readonly distance: number; readonly frequency: number }[] = []
  const letters = lettersOf(typed)
  const distanceMax = Math.min(SUGGEST_DISTANCE_MAX, Math.floor(typed.length / 2))
  let looked = 0
  for (const word of words) {
    if (word === typed) return []
    if (++looked > FUZZY_SCAN_WORDS_MAX) break
    for (let distance = 1; distance <= distanceMax; distance++) {
      if (!isNear(word, typed, letters, distance)) continue
      found.push({ word, distance, frequency: frequency(word) })
      break
    }
  }
  found.sort((a, b) => a.distance - b.distance || b.frequency - a.frequency || (a.word < b.word ? -1 : 1))
  return found.slice(0, limit).map((entry) => entry.word)
}

/** One edit changes at most two members of the set of letters, so most words are refused without measuring the distance. */
function isNear(candidate: string, word: string, letters: number, distance: number): boolean {
  const longer = candidate.length - word.length
  if (longer > distance || -longer > distance) return false
  if (bitCount(lettersOf(candidate) ^ letters) > 2 * distance) return false
  return withinEditDistance(word, candidate, distance)
}

/** The set of the units of `word`, each hashed to one of 32. */
function lettersOf(word: string): number {
  let letters = 0
  for (let i = 0; i < word.length; i++) letters |= 1 << (word.charCodeAt(i) & 31)
  return letters
}

function bitCount(bits: number): number {
  let w = bits - ((bits >>> 1) & 0x55555555)
  w = (w & 0x33333333) + ((w >>> 2) & 0x33333333)
  return Math.imul((w + (w >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** What a pattern begins with before its first wildcard. */
export function literalPrefix(pattern: string): string {
  const wildcard = pattern.search(/[*?]/)
  return wildcard < 0 ? pattern : pattern.slice(0, wildcard)
}

/** Matches whole words in time linear in the product of the lengths: a greedy walk that returns to the last `*` only. */
export function wildcardMatcher(pattern: string): (word: string) => boolean {
  return (word) => {
    let p = 0
    let w = 0
    let star = -1
    let resume = 0
    while (w < word.length) {
      if (pattern[p] === '*') {
        star = p++
        resume = w
      } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === word[w])) {
        p++
        w++
      } else if (star >= 0) {
        p = star + 1
        w = ++resume
      } else return false
    }
    while (pattern[p] === '*') p++
    return p === pattern.length
  }
}
