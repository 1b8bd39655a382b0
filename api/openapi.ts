import type { TSchema } from 'typebox'
import { PROBLEM_TYPE, Problem } from './contract/common.ts'
import type { Endpoint, EndpointResponse } from './contract/endpoint.ts'

type Json = Record<string, unknown>

/** The parts of an OpenAPI document that the page for people reads. */
export interface OpenApiDocument extends Json {
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly securitySchemes: Json }
}

export interface OpenApiOperation {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly parameters: readonly OpenApiParameter[]
  readonly requestBody?: { readonly description: string; readonly content: Json }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Json }>>
  readonly security: readonly Json[]
}

export interface OpenApiParameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description?: string
  readonly schema: Json
}

/** The OpenAPI 3.1 document of these endpoints. Schemas with a title become components. */
export function openApiOf(endpoints: readonly Endpoint[], version: string): OpenApiDocument {
  const schemas: Record<string, Json> = {}
  const paths: Record<string, Record<string, OpenApiOperation>> = {}
  for (const endpoint of endpoints) {
    paths[endpoint.path] ??= {}
    paths[endpoint.path]![endpoint.method.toLowerCase()] = operationOf(endpoint, schemas)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weir',
      version,
      description:
        'Send logs, find them. Errors are RFC 9457 problem documents with a stable `code`. Where authentication is on, the tenant comes ' +
        'from the credential; `X-Scope-OrgID` names it for credentials that may name any.',
    },
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        basic: { type: 'http', scheme: 'basic', description: 'The key as password; any user.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  }
}

function operationOf(endpoint: Endpoint, schemas: Record<string, Json>): OpenApiOperation {
  const { id, summary, description, group, body, role } = endpoint
  const responses: Record<string, { description: string; content?: Json }> = {}
  for (const [status, response] of Object.entries(endpoint.responses)) {
    responses[status] = responseOf(Number(status), response, schemas)
  }
  if (role !== null) {
    responses['401'] ??= responseOf(401, { description: 'A valid credential is required.' }, schemas)
    responses['403'] ??= responseOf(
      403,
      { description: `The credential lacks the role ${role}, or the tenant.` },
      schemas,
    )
  }
  responses.default = responseOf(500, { description: 'A problem.' }, schemas)
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [group],
    parameters: [
      ...parametersOf('path', endpoint.pathParameters, schemas),
      ...parametersOf('query', endpoint.query, schemas),
      ...parametersOf('header', endpoint.headers, schemas),
    ],
    ...(body === undefined
      ? {}
      : { requestBody: { description: body.description, content: contentOf(body.content, schemas) } }),
    responses,
    security: role === null ? [] : [{ bearer: [] }, { basic: [] }, { apiKey: [] }],
  }
}

function parametersOf(
  place: OpenApiParameter['in'],
  schema: TSchema | undefined,
  schemas: Record<string, Json>,
): OpenApiParameter[] {
  if (schema === undefined) return []
  const { properties, required } = schema as { properties?: Record<string, TSchema>; required?: readonly string[] }
  return Object.entries(properties ?? {}).map(([name, property]) => {
    const { description, ...rest } = componentised(property, schemas) as Json & { description?: string }
    return {
      name,
      in: place,
      required: place === 'path' || (required ?? []).includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}

function responseOf(status: number, response: EndpointResponse, schemas: Record<string, Json>) {
  const { description } = response
  const content = response.content ?? (status >= 400 ? { [PROBLEM_TYPE]: Problem } : undefined)
  return content === undefined ? { description } : { description, content: contentOf(content, schemas) }
}

function contentOf(content: Readonly<Record<string, TSchema | null>>, schemas: Record<string, Json>): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [
      type,
      { schema: schema === null ? { type: 'string' } : componentised(schema, schemas) },
    ]),
  )
}

/** A copy of a schema in which every titled schema is a reference to a component, which is added to `schemas`. */
function componentised(schema: unknown, schemas: Record<string, Json>): unknown {
  if (Array.isArray(schema)) return schema.map((item) => componentised(item, schemas))
  if (typeof schema !== 'object' || schema === null) return schema
  const copy: Json = {}
  for (const [name, value] of Object.entries(schema)) copy[name] = componentised(value, schemas)
  const { title } = copy
  if (typeof title !== 'string') return copy
  schemas[title] ??= copy
  return { $ref: `#/components/schemas/${title}` }
}
