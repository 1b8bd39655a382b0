import { Index } from 'flexsearch'
import { assert } from '../base/assert.ts'

/** S5: FlexSearch stops at 100 results unless told otherwise; this limit can never cut. */
const NO_LIMIT = Number.MAX_SAFE_INTEGER
/** Words whose last block has gone keep an empty posting list until this many blocks were removed. */
const REMOVALS_BETWEEN_CLEANUPS = 512
/** Letters of a word by which prefixes are looked up; longer prefixes are checked on the words found. */
const PREFIX_LENGTH_MAX = 3

/**
 * Which blocks hold a word: FlexSearch over blocks, not rows. The documents are block numbers, the content of each its
 * distinct words. Adding a block of 200 words costs about 60 µs (bench/micro/index.ts).
 */
export class TextIndex {
  readonly #index = new Index({
    tokenize: 'strict',
    resolution: 1,
    context: false,
    // Keeps the posting lists of each block at hand, so that removing one does not walk the whole vocabulary.
    fastupdate: true,
    encode: wordsThemselves,
  })
  /** Number of each word; its text and how many blocks hold it are found by that. */
  readonly #numbers = new Map<string, number>()
  readonly #texts: string[] = []
  readonly #blockCounts: number[] = []
  readonly #freeNumbers: number[] = []
  /** Numbers of the words of each block. */
  readonly #wordsOf = new Map<number, Uint32Array>()
  #removals = 0

  /** Distinct words of all blocks. */
  get wordCount(): number {
    return this.#numbers.size
  }

  words(): Iterable<string> {
    return this.#numbers.keys()
  }

  /** Number of blocks that hold `word`. */
  blockCount(word: string): number {
    const number = this.#numbers.get(word)
    return number === undefined ? 0 : this.#blockCounts[number]!
  }

  /** Takes a block whose distinct words are `words`; returns those that no other block had. */
  add(block: number, words: readonly string[]): string[] {
    assert(!this.#wordsOf.has(block), 'a block is indexed once')
    const fresh: string[] = []
    const numbers = new Uint32Array(words.length)
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!
      let number = this.#numbers.get(word)
      if (number === undefined) {
        number = this.#freeNumbers.pop() ?? this.#texts.length
        this.#numbers.set(word, number)
        this.#texts[number] = word
        this.#blockCounts[number] = 0
        fresh.push(word)
      }
      this.#blockCounts[number]!++
      numbers[i] = number
    }
    this.#wordsOf.set(block, numbers)
    this.#index.add(block, contentOf(words))
    return fresh
  }

  /** Forgets a block; returns the words that no other block has. */
  remove(block: number): string[] {
    const numbers = this.#wordsOf.get(block)
    assert(numbers !== undefined, 'a block that is removed was added')
    this.#wordsOf.delete(block)
    this.#index.remove(block)
    const gone: string[] = []
    for (const number of numbers) {
      if (--this.#blockCounts[number]! > 0) continue
      const word = this.#texts[number]!
      this.#numbers.delete(word)
      this.#freeNumbers.push(number)
      gone.push(word)
    }
    if (++this.#removals >= REMOVALS_BETWEEN_CLEANUPS) {
      this.#removals = 0
      this.#index.cleanup()
    }
    return gone
  }

  /** Every block that holds `word`, in no order. The array is FlexSearch's own: read it at once and leave it as it is. */
  blocksWith(word: string): readonly number[] {
    return this.#index.search(word, { limit: NO_LIMIT }) as number[]
  }
}

/**
 * Which words begin with a prefix: FlexSearch over words, filed under each of their first letters' runs. Words are numbered by the
 * caller's order of adding.
 */
export class PrefixIndex {
  readonly #index = new Index({
    tokenize: 'strict',
    resolution: 1,
    context: false,
    fastupdate: true,
    encode: wordsThemselves,
  })

  add(id: number, word: string): void {
    const prefixes: string[] = []
    for (let length = 1; length <= Math.min(word.length, PREFIX_LENGTH_MAX); length++)
      prefixes.push(word.slice(0, length))
    this.#index.add(id, contentOf(prefixes))
  }

  remove(id: number): void {
    this.#index.remove(id)
  }

  cleanup(): void {
    this.#index.cleanup()
  }

  /** A superset of the words that begin with `prefix`: exact up to PREFIX_LENGTH_MAX letters. Read at once, leave as it is. */
  candidates(prefix: string): readonly number[] {
    return this.#index.search(prefix.slice(0, PREFIX_LENGTH_MAX), { limit: NO_LIMIT }) as number[]
  }
}

/** FlexSearch hands content to the encoder as it got it, so a list of words needs no joining and splitting. */
function contentOf(words: readonly string[]): string {
  return words as unknown as string
}

function wordsThemselves(content: string | readonly string[]): string[] {
  return typeof content === 'string' ? [content] : (content as string[])
}
