import { PATTERN_CLUSTERS_MAX, PATTERN_TOKENS_MAX } from '../base/limits.ts'

/**
 * Templates of messages: "Order <*> created for customer <*>". After Drain (He, Zhu, Zheng, Lyu: "Drain: An online log parsing
 * approach with fixed depth tree", ICWS 2017): messages of the same number of tokens and the same first tokens are compared
 * with the templates seen so far; one that agrees in enough tokens is the same template, and where they differ a variable
 * stands. Tokens that hold a digit are variables from the start.
 */
const VARIABLE = '<*>'

/** Share of tokens that must agree. The paper's 0.4 joins short messages that only share their beginning. */
const SIMILARITY_MIN = 0.5
/** First tokens by which templates are told apart before they are compared. */
const DEPTH = 2

export interface Cluster<T> {
  /** Tokens, each with the separators before it; see `patternTokens`. */
  tokens: string[]
  readonly data: T
}

/** Characters between tokens, kept in front of the token that follows. */
const TOKEN = /([\s=:,;()[\]{}"'|<>]*)([^\s=:,;()[\]{}"'|<>]*)/gy

/**
 * Tokens of a message: each a run of separators and a word, a variable in place of a word with a digit. The tokens put together are the
 * message (white space made one space).
 */
export function patternTokens(message: string): string[] {
  const tokens: string[] = []
  const text = message.replaceAll(VARIABLE, '\ue000')
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    if (tokens.length === PATTERN_TOKENS_MAX) {
      tokens.push(` ${VARIABLE}`)
      break
    }
    const [, gap, word] = TOKEN.exec(text)!
    tokens.push(gap!.replace(/\s+/g, ' ') + (/[\d\ue000]/.test(word!) ? VARIABLE : word!))
  }
  return tokens
}

/** The templates seen, in a tree of fixed depth. */
export class PatternTree<T> {
  readonly #groups = new Map<string, Cluster<T>[]>()
  readonly #clusters: Cluster<T>[] = []
  readonly #newData: () => T

  constructor(newData: () => T) {
    this.#newData = newData
  }

  get clusters(): readonly Cluster<T>[] {
    return this.#clusters
  }

  /** The template that `tokens` belongs to, widened to hold them. */
  assign(tokens: readonly string[]): Cluster<T> {
    const key = `${tokens.length}\n${tokens.slice(0, DEPTH).join('\n')}`
    const group = this.#groups.get(key) ?? []
    const found = nearest(group, tokens) ?? (this.#isFull ? this.#catchAll() : null)
    if (found !== null) {
      widen(found, tokens)
      return found
    }
    const cluster: Cluster<T> = { tokens: [...tokens], data: this.#newData() }
    this.#clusters.push(cluster)
    group.push(cluster)
    this.#groups.set(key, group)
    return cluster
  }

  get #isFull(): boolean {
    return this.#clusters.length >= PATTERN_CLUSTERS_MAX
  }

  /** What finds no place among the templates there may be is counted under one that says nothing. */
  #catchAll(): Cluster<T> {
    const group = this.#groups.get('') ?? []
    this.#groups.set('', group)
    if (group.length === 0) {
      const cluster: Cluster<T> = { tokens: [VARIABLE], data: this.#newData() }
      group.push(cluster)
      this.#clusters.push(cluster)
    }
    return group[0]!
  }
}

function nearest<T>(group: readonly Cluster<T>[], tokens: readonly string[]): Cluster<T> | null {
  let best: Cluster<T> | null = null
  let bestSame = Math.max(1, Math.ceil(tokens.length * SIMILARITY_MIN)) - 1
  for (const cluster of group) {
    let same = 0
    for (let i = 0; i < tokens.length; i++) if (cluster.tokens[i] === tokens[i]) same++
    if (same > bestSame) {
      best = cluster
      bestSame = same
    }
  }
  return best
}

function widen<T>(cluster: Cluster<T>, tokens: readonly string[]): void {
  if (cluster.tokens.length !== tokens.length) return
  for (let i = 0; i < tokens.length; i++) {
    const token = cluster.tokens[i]!
    if (token !== tokens[i]) cluster.tokens[i] = /^[\s=:,;()[\]{}"'|]*/.exec(token)![0] + VARIABLE
  }
}
