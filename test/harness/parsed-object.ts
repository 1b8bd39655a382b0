import { ParsedFields, type TextParser } from '../../ingest/pipeline/parse/parsed-fields.ts'

/** What `parser` makes of `text`: values as they would stand in a record, or why it cannot. Of equal names the last counts. */
export function parsed(parser: TextParser, text: string): Record<string, unknown> | string {
  const fields = new ParsedFields()
  const reason = parser(text, fields)
  if (reason !== undefined) return reason
  if (fields.isOverfull) return 'overfull'
  const pairs = Array.from({ length: fields.count }, (_, i): [string, unknown] => {
    const value = fields.values[i]!
    return [fields.names[i]!, fields.isJson[i] === 1 ? JSON.parse(value) : value]
  })
  return Object.fromEntries(pairs)
}
