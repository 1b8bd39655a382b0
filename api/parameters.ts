import type { FastifyRequest } from 'fastify'
import type { Static, TObject, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { WeirError } from '../base/errors.ts'
import { bodyEncoding } from './body-format.ts'
import { MALFORMED_PARAMETER, parseFormFields, type RawParameters } from './query-string.ts'

/** Checks the parameters of an endpoint; made once, when the server starts. */
export class ParameterReader<T extends TObject> {
  readonly #schema: T
  readonly #validator: Validator
  /** How text of a query string becomes a value of each parameter. */
  readonly #kinds = new Map<string, 'text' | 'integer' | 'other'>()

  constructor(schema: T) {
    this.#schema = schema
    this.#validator = Compile(schema)
    for (const [name, property] of Object.entries(schema.properties as Record<string, { type?: string }>)) {
      this.#kinds.set(name, property.type === 'integer' ? 'integer' : property.type === 'string' ? 'text' : 'other')
    }
  }

  /** Parameters of a query string. Throws invalid_parameter with the name of one that is unknown, given twice or malformed. */
  ofQuery(request: FastifyRequest): Static<T> {
    return this.#check(this.#typed(request.query as RawParameters))
  }

  /** Values that were read before, and more of a form's fields, none twice. Throws invalid_parameter. */
  ofFields(values: Static<T>, fields: ReadonlyMap<string, string>): Static<T> {
    const all = this.#typed(Object.fromEntries(fields))
    for (const [name, value] of Object.entries(values as Record<string, unknown>)) {
      if (Object.hasOwn(all, name)) throw parameterError(name, 'is given in the query string and in the body')
      all[name] = value
    }
    return this.#check(all)
  }

  /** Values of a message that is no request. Throws invalid_parameter. */
  ofValues(values: Record<string, unknown>): Static<T> {
    return this.#check(values)
  }

  /** A JSON body. Throws invalid_body or invalid_parameter. */
  ofJson(request: FastifyRequest): Static<T> {
    return this.#check(parseJsonObject(bodyBytes(request)))
  }

  /** Parameters in the query string, in the body (a JSON object or form fields), or in both, none twice. */
  ofQueryOrBody(request: FastifyRequest): Static<T> {
    const values = this.#typed(request.query as RawParameters)
    const bytes = bodyBytes(request)
    if (bytes.length === 0) return this.#check(values)
    const isForm = (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')
    // curl calls every body a form, also one of JSON.
    const more = isForm && bytes[0] !== 0x7b ? this.#typed(parseFormFields(utf8Text(bytes))) : parseJsonObject(bytes)
    for (const [name, value] of Object.entries(more)) {
      if (Object.hasOwn(values, name)) throw parameterError(name, 'is given in the query string and in the body')
      Object.defineProperty(values, name, { value, enumerable: true })
    }
    return this.#check(values)
  }

  /** Values of their schema's type, where the text allows; what it does not allow is left for the check to name. */
  #typed(raw: RawParameters): Record<string, unknown> {
    const malformed = raw[MALFORMED_PARAMETER]
    if (malformed !== undefined) throw parameterError(malformed, 'is not percent-encoded UTF-8')
    const values: Record<string, unknown> = Object.create(null)
    for (const name of Object.keys(raw)) {
      const text = raw[name]!
      const kind = this.#kinds.get(name)
      if (kind === undefined) throw unknownParameter(name, this.#kinds.keys())
      if (Array.isArray(text)) throw parameterError(name, 'is given more than once')
      values[name] = kind === 'integer' && /^-?\d{1,15}$/.test(text) ? Number(text) : text
    }
    return values
  }

  #check(values: Record<string, unknown>): Static<T> {
    if (this.#validator.Check(values)) return values as Static<T>
    for (const error of this.#validator.Errors(values)) {
      if (error.keyword === 'additionalProperties') {
        const name = String((error.params as { additionalProperties: string[] }).additionalProperties[0])
        throw unknownParameter(name, this.#kinds.keys())
      }
      if (error.keyword === 'required') {
        const name = String((error.params as { requiredProperties: string[] }).requiredProperties[0])
        throw parameterError(name, 'is required')
      }
      const name = decodePointer(error.instancePath)
      const property = (this.#schema.properties as Record<string, TSchema>)[name]
      if (property !== undefined) throw parameterError(name, whatItMustBe(property, error.message))
    }
    throw new WeirError('invalid_parameter', 'The parameters are malformed')
  }
}

export function parameterError(name: string, what: string): WeirError {
  const shown = name.slice(0, 100)
  return new WeirError('invalid_parameter', `\`${shown}\` ${what}`, { parameter: shown })
}

function unknownParameter(name: string, known: Iterable<string>): WeirError {
  return parameterError(name, `is not a parameter here; there are: ${[...known].join(', ') || 'none'}`)
}

function whatItMustBe(schema: TSchema, message: string): string {
  const {
    enum: values,
    type,
    minimum,
    maximum,
  } = schema as {
    enum?: readonly string[]
    type?: string
    minimum?: number
    maximum?: number
  }
  if (values !== undefined) return `must be one of: ${values.join(', ')}`
  if (type === 'integer') {
    return `must be an integer${minimum === undefined ? '' : ` from ${minimum}`}${maximum === undefined ? '' : ` to ${maximum}`}`
  }
  return message
}

/** `/roles/0` → `roles`. */
function decodePointer(pointer: string): string {
  return (pointer.split('/')[1] ?? '').replace(/~1/g, '/').replace(/~0/g, '~')
}

function bodyBytes(request: FastifyRequest): Buffer {
  if (bodyEncoding(request.headers['content-encoding']) !== 'identity') {
    throw new WeirError('unsupported_media_type', 'Bodies of parameters are sent as they are')
  }
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

function parseJsonObject(bytes: Buffer): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(utf8Text(bytes))
  } catch (error) {
    if (error instanceof WeirError) throw error
    throw new WeirError('invalid_body', `The body is not JSON: ${(error as Error).message.slice(0, 200)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new WeirError('invalid_body', 'The body must be a JSON object')
  }
  return value as Record<string, unknown>
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })

function utf8Text(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (error) {
    throw new WeirError('invalid_body', 'The body is not UTF-8', {}, { cause: error })
  }
}
