/** Names the first parameter that is not percent-encoded UTF-8. */
export const MALFORMED_PARAMETER: unique symbol = Symbol('malformed parameter')

/** Text by name, without a prototype; an array where a name comes more than once. */
export interface RawParameters {
  [name: string]: string | string[]
  [MALFORMED_PARAMETER]?: string
}

/** Fields of a query string or of a form (`application/x-www-form-urlencoded`). Never throws: what is malformed is named. */
export function parseFormFields(text: string): RawParameters {
  const fields: RawParameters = Object.create(null)
  if (text === '') return fields
  for (const part of text.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const rawName = equals < 0 ? part : part.slice(0, equals)
    const name = decode(rawName)
    const value = equals < 0 ? '' : decode(part.slice(equals + 1))
    if (name === undefined || value === undefined) {
      fields[MALFORMED_PARAMETER] ??= name ?? rawName
      continue
    }
    const earlier = fields[name]
    if (earlier === undefined) fields[name] = value
    else if (Array.isArray(earlier)) earlier.push(value)
    else fields[name] = [earlier, value]
  }
  return fields
}

function decode(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return undefined
  }
}
