import { LEVEL_NAMES, LEVEL_UNKNOWN } from '../level.ts'
import { fieldPath } from './field-path.ts'
import { levelIndex, levelNamedBy } from './record-level.ts'
import type { Failure, StepKind } from './step.ts'
import { oneOf } from './step-parameters.ts'

const NO_LEVEL: Failure = { reason: 'no level goes by that name' }
const NO_OBJECT: Failure = { reason: 'a part of the target is there and is no object' }

/**
 * `{"type":"level","field":"sev","map":{"3":"ERROR","verbose":"DEBUG"},"default":"INFO"}`: makes a level of a text, by the map first (in any case), then
 * by the names and numbers that are understood everywhere.
 */
export const levelStep: StepKind = {
  type: 'level',
  onError: 'deadLetter',
  compile(parameters) {
    const field = parameters.field('field', 'level')
    const target = parameters.optionalField('target') ?? fieldPath('level')
    const level = (name: string, value: unknown) => {
      const index = typeof value === 'string' ? levelIndex(value) : undefined
      if (index === undefined) throw parameters.error(name, 'is no level', `One of ${oneOf(LEVEL_NAMES)}.`)
      return LEVEL_NAMES[index]!
    }
    const byDefault = parameters.value('default')
    const fallback = byDefault === undefined ? undefined : level('default', byDefault)
    const map = new Map<string, string>()
    if (parameters.has('map')) {
      for (const [name, value] of parameters.entries('map'))
        map.set(name.trim().toLowerCase(), level(`map/${name}`, value))
    } else parameters.value('map')
    return {
      apply(record) {
        const text = record.text(field)
        const name =
          (text === undefined ? undefined : (map.get(text.trim().toLowerCase()) ?? levelName(text))) ?? fallback
        if (name === undefined) return NO_LEVEL
        return record.setText(target, name) ? 'next' : NO_OBJECT
      },
    }
  },
}

function levelName(text: string): string | undefined {
  const index = levelNamedBy(text)
  return index === LEVEL_UNKNOWN ? undefined : LEVEL_NAMES[index]
}
