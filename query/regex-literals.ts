import type { CodePoints } from '../base/regex-classes.ts'
import type { RegexNode } from '../base/regex-syntax.ts'
import { isTokenUnit } from '../base/tokenizer.ts'

/** A text that every match contains, ASCII, folded to lower case; `\0` in it is one or more separators of tokens. */
export interface LiteralRun {
  readonly text: string
  /** What stands before (behind) the run is the begin (end) of the text or a separator: a token cannot reach across. */
  readonly closedLeft: boolean
  readonly closedRight: boolean
}

/** Stands in the text of a run for one or more characters that are all ASCII separators of tokens. */
export const SEPARATOR = '\0'
/** Copies of a counted repeat that are written out: `(ab){3}` is `ababab`. */
const COPIES_CHARS_MAX = 64

/** Runs of literal text that every match of `node` contains. Conservative: what is not understood ends a run. */
export function literalRunsOf(node: RegexNode, whole: boolean): readonly LiteralRun[] {
  const collector = new RunCollector(whole)
  collector.visit(node)
  return collector.finish(whole)
}

class RunCollector {
  readonly #runs: LiteralRun[] = []
  #text = ''
  #closedLeft: boolean

  constructor(closedLeft: boolean) {
    this.#closedLeft = closedLeft
  }

  visit(node: RegexNode): void {
    switch (node.kind) {
      case 'empty':
        return
      case 'class': {
        const char = literalOf(node.set)
        if (char === null) this.#break(false, false)
        else this.#append(char)
        return
      }
      case 'cat':
        for (const child of node.of) this.visit(child)
        return
      case 'alt':
        this.#break(false, false)
        return
      case 'assert':
        // A boundary of words says nothing of tokens, since letters beyond ASCII belong to tokens only.
        if (node.at === 'textBegin' || node.at === 'lineBegin') this.#break(false, true)
        else if (node.at === 'textEnd' || node.at === 'lineEnd') this.#break(true, false)
        return
      case 'repeat':
        this.#repeat(node.of, node.min, node.max)
        return
      case 'group':
        this.visit(node.of)
        return
    }
  }

  #repeat(body: RegexNode, min: number, max: number): void {
    if (body.kind === 'class' && literalOf(body.set) === SEPARATOR && min > 0) {
      this.#append(SEPARATOR)
      return
    }
    const before = this.#text.length
    let copies = 0
    while (copies < min && this.#text.length - before < COPIES_CHARS_MAX) {
      // Written out only while it stays one run: else its inner runs are known after the first copy.
      const runs = this.#runs.length
      this.visit(body)
      copies++
      if (this.#runs.length !== runs || this.#text.length === before) break
    }
    if (copies !== max) this.#break(false, false)
  }

  #append(char: string): void {
    if (char !== SEPARATOR || !this.#text.endsWith(SEPARATOR)) this.#text += char
  }

  #break(closedRight: boolean, closedNext: boolean): void {
    if (this.#text !== '') this.#runs.push({ text: this.#text, closedLeft: this.#closedLeft, closedRight })
    this.#text = ''
    this.#closedLeft = closedNext
  }

  finish(closedRight: boolean): readonly LiteralRun[] {
    this.#break(closedRight, false)
    return this.#runs
  }
}

/** The one character of the class, folded; `\0` when all its members are separators; else null. ASCII only. */
function literalOf(set: CodePoints): string | null {
  if (set.length === 0 || set[set.length - 1]! > 0x7f) return null
  let folded = -1
  let areSeparators = true
  for (let i = 0; i < set.length; i += 2) {
    for (let c = set[i]!; c <= set[i + 1]!; c++) {
      if (isTokenUnit(c)) areSeparators = false
      const lower = c >= 0x41 && c <= 0x5a ? c + 32 : c
      folded = folded === -1 || folded === lower ? lower : -2
    }
  }
  if (folded >= 0x20) return String.fromCharCode(folded)
  return areSeparators ? SEPARATOR : null
}
