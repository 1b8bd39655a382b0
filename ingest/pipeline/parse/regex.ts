import { StepBudget } from '../../../base/capture-matcher.ts'
import { type CaptureRegex, TOO_MANY_STEPS } from '../../../base/regex-captures.ts'
import { MATCH_NONE, MATCH_TOO_LONG } from './grok.ts'
import type { TextParser } from './parsed-fields.ts'

/** Named groups of the first of `patterns` that matches anywhere in the text. A group that took no part is absent. */
export function regexParser(patterns: readonly CaptureRegex[], detectsTypes: boolean): TextParser {
  const budget = new StepBudget()
  return (text, into) => {
    let reason = MATCH_NONE
    budget.reset(text.length)
    for (const regex of patterns) {
      const { names } = regex
      const captures = regex.exec(text, budget)
      if (captures === null) continue
      if (captures === TOO_MANY_STEPS) {
        reason = MATCH_TOO_LONG
        continue
      }
      for (let i = 0; i < names.length; i++) {
        const value = captures[i]!
        if (value === null) continue
        if (detectsTypes) into.bare(names[i]!, value)
        else into.text(names[i]!, value)
      }
      return undefined
    }
    return reason
  }
}
