import type { TObject, TSchema } from 'typebox'

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
type EndpointRole = 'ingest' | 'read' | 'alert' | 'admin' | 'enrol' | 'agent'

/** What an endpoint takes and gives: the one description that requests are checked against and documents are made from. */
export interface Endpoint {
  /** Stable name; `operationId` in OpenAPI. */
  readonly id: string
  readonly method: Method
  /** With parameters in braces: `/v1/logs/{id}`. */
  readonly path: string
  readonly group: string
  readonly summary: string
  readonly description?: string
  /** Role that a credential needs; null: none is asked for. */
  readonly role: EndpointRole | null
  /** Where the header fields have no credential, a body of JSON may. */
  readonly credentialInBody?: boolean
  /** Only credentials of the whole cluster (tenant `*`) may use it. */
  readonly clusterOnly?: boolean
  readonly pathParameters?: TObject
  readonly query?: TObject
  readonly headers?: TObject
  readonly body?: EndpointBody
  readonly responses: Readonly<Record<number, EndpointResponse>>
}

interface EndpointBody {
  readonly description: string
  /** Schema by media type; null for text that no schema describes. */
  readonly content: Readonly<Record<string, TSchema | null>>
}

export interface EndpointResponse {
  readonly description: string
  readonly content?: Readonly<Record<string, TSchema | null>>
}
