/**
 * JSON of which numbers keep their text: 2^53 + 1 comes out as it went in. The raw JSON object that stands for such a number is written by
 * JSON.stringify as that text.
 */
interface RawJson {
  readonly rawJSON: string
}
interface ExactJson {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown
  rawJSON(text: string): RawJson
  isRawJSON(value: unknown): value is RawJson
}
const exactJson = JSON as unknown as ExactJson

export type Fields = Readonly<Record<string, unknown>>

/** Throws SyntaxError. */
export function parseExact(text: string): unknown {
  return exactJson.parse(text, (_name, value, { source }) =>
    typeof value === 'number' && source !== undefined && String(value) !== source ? exactJson.rawJSON(source) : value,
  )
}

/** A value as text: strings as they are, everything else as JSON. */
export function valueText(value: unknown): string {
  if (typeof value === 'string') return value
  if (exactJson.isRawJSON(value)) return value.rawJSON
  return JSON.stringify(value) ?? ''
}

export function isNumber(value: unknown): boolean {
  return typeof value === 'number' || exactJson.isRawJSON(value)
}

/** Every value that holds no others, with its path joined with dots; keys in order. */
export function* leavesOf(fields: Fields, prefix = ''): Generator<readonly [path: string, value: unknown]> {
  for (const [key, value] of Object.entries(fields)) {
    const path = prefix + key.replaceAll('.', '\\.')
    const isInner = typeof value === 'object' && value !== null && !Array.isArray(value) && !exactJson.isRawJSON(value)
    if (isInner && Object.keys(value).length > 0) yield* leavesOf(value as Fields, `${path}.`)
    else yield [path, value]
  }
}

/** The value of a field that is named as a query names it; undefined where there is none. */
export function fieldOf(fields: Fields, name: string): unknown {
  if (Object.hasOwn(fields, name)) return fields[name]
  let value: unknown = fields
  for (const key of name.split(/(?<!\\)\./).map((part) => part.replaceAll('\\.', '.'))) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Fields)[key]
  }
  return value
}
