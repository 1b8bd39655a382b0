import type { Failure, StepKind } from './step.ts'

const TYPES = ['number', 'integer', 'boolean', 'string', 'lowercase', 'uppercase', 'trim'] as const
type Type = (typeof TYPES)[number]

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
/** Of a number text that is longer, nothing sensible can be meant. */
const NUMBER_CHARS_MAX = 400

/** `{"type":"convert","fields":{"status":"integer","took":"number"}}`; what is absent or null is left alone. */
export const convertStep: StepKind = {
  type: 'convert',
  onError: 'deadLetter',
  compile(parameters) {
    const fields = parameters.entries('fields').map(([name, to]) => {
      const type = TYPES.find((one) => one === to)
      if (type === undefined) throw parameters.error(`fields/${name}`, 'is no type', `One of ${TYPES.join(', ')}.`)
      const failure: Failure = { reason: `\`${name.slice(0, 100)}\` does not convert to ${type}` }
      return { path: parameters.fieldOf('fields', name), type, failure }
    })
    return {
      apply(record) {
        for (const { path, type, failure } of fields) {
          const kind = record.kind(path)
          if (kind === undefined || kind === 'null') continue
          if (kind === 'object' || kind === 'array') return failure
          const text = record.text(path)!
          const json = converted(text, type)
          if (json === undefined) return failure
          if (kind !== 'string' && json === text) continue
          record.setJson(path, json)
        }
        return 'next'
      },
    }
  },
}

/** The value as JSON text; undefined when it has no such form. Numbers keep their text. */
function converted(text: string, type: Type): string | undefined {
  switch (type) {
    case 'string':
      return JSON.stringify(text)
    case 'lowercase':
      return JSON.stringify(text.toLowerCase())
    case 'uppercase':
      return JSON.stringify(text.toUpperCase())
    case 'trim':
      return JSON.stringify(text.trim())
    case 'boolean':
      return booleanOf(text.trim().toLowerCase())
    case 'number':
      return numberOf(text)
    case 'integer':
      return integerOf(text)
  }
}

function booleanOf(text: string): string | undefined {
  if (text === 'true' || text === '1' || text === 'yes' || text === 'on') return 'true'
  return text === 'false' || text === '0' || text === 'no' || text === 'off' ? 'false' : undefined
}

function numberOf(text: string): string | undefined {
  if (text.length > NUMBER_CHARS_MAX) return undefined
  const trimmed = text
    .trim()
    .replace(/^\+(?=\d)/, '')
    .replace(/^(-?)0+(?=\d)/, '$1')
  const whole = trimmed.startsWith('.') ? `0${trimmed}` : trimmed
  return NUMBER.test(whole) ? whole : undefined
}

function integerOf(text: string): string | undefined {
  const number = numberOf(text)
  if (number === undefined || /^-?\d+$/.test(number)) return number
  const value = Number(number)
  return Number.isFinite(value) ? String(BigInt(Math.trunc(value))) : undefined
}
