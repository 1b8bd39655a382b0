import { signal } from '@preact/signals'
import type { Endpoints } from './api-types.ts'

/** `GET /v1/logs/search` and so on: every operation of the OpenAPI document. */
export type EndpointName = keyof Endpoints
export type Answer<Name extends EndpointName> = Endpoints[Name]['answer']

type PartsOf<E extends { path: object; query: object; body: unknown }> = {
  readonly query?: E['query']
  readonly signal?: AbortSignal
} & (keyof E['path'] extends never ? { readonly path?: undefined } : { readonly path: E['path'] }) &
  (E['body'] extends undefined ? { readonly body?: undefined } : { readonly body?: E['body'] })

/** What a call takes: parameters of the path where it has some, of the query, a body. */
export type Parts<Name extends EndpointName> = PartsOf<Endpoints[Name]>

interface LooseParts {
  readonly path?: object | undefined
  readonly query?: object | undefined
  readonly body?: unknown
  readonly signal?: AbortSignal
}

/** True after an answer 401: the sign-in page is shown. */
export const needsSignIn = signal(false)

/** False while no node answers at the address that served this page. */
export const isConnected = signal(true)

/** A request that a node refused, in the words of its problem document; or that reached none (status 0, code `unreachable`). */
export class ApiProblem extends Error {
  readonly status: number
  readonly code: string
  readonly title: string
  /** With invalid_query: where in the text, in UTF-16 units. */
  readonly position: number | undefined
  readonly length: number | undefined
  readonly hint: string | undefined
  /** With invalid_parameter: its name. */
  readonly parameter: string | undefined

  constructor(status: number, document: Readonly<Record<string, unknown>>) {
    const { code, title, detail, position, length, hint, parameter } = document
    super(typeof detail === 'string' ? detail : `The node answered with status ${status}`)
    this.name = 'ApiProblem'
    this.status = status
    this.code = typeof code === 'string' ? code : 'unknown'
    this.title = typeof title === 'string' ? title : 'The request failed'
    this.position = typeof position === 'number' ? position : undefined
    this.length = typeof length === 'number' ? length : undefined
    this.hint = typeof hint === 'string' ? hint : undefined
    this.parameter = typeof parameter === 'string' ? parameter : undefined
  }
}

/** Calls an operation and returns its JSON. Throws ApiProblem; AbortError when `signal` aborts. */
export async function call<Name extends EndpointName>(name: Name, parts: Parts<Name>): Promise<Answer<Name>> {
  const response = await request(name, parts, 'application/json')
  const text = await response.text()
  return (text === '' ? undefined : JSON.parse(text)) as Answer<Name>
}

/** Calls an operation that answers a line at a time, and yields the lines (of NDJSON: texts of JSON) in batches, as they arrive. */
export async function* callLines<Name extends EndpointName>(
  name: Name,
  parts: Parts<Name>,
): AsyncGenerator<readonly string[]> {
  const response = await request(name, parts, 'application/x-ndjson')
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      const lines = (rest + value).split('\n')
      rest = lines.pop() as string
      if (lines.length > 0) yield lines
    }
    if (rest !== '') yield [rest]
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

/** The address of an operation, for links and downloads. */
export function addressOfCall<Name extends EndpointName>(
  name: Name,
  parts: Omit<Parts<Name>, 'signal' | 'body'>,
): string {
  return addressFrom(name, parts)
}

function addressFrom(name: EndpointName, parts: LooseParts): string {
  const template = name.slice(name.indexOf(' ') + 1)
  const path = template.replace(/\{(\w+)\}/g, (_whole, key: string) =>
    encodeURIComponent(String((parts.path as Record<string, unknown>)[key])),
  )
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(parts.query ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(key, String(value))
  }
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}

async function request(name: EndpointName, parts: LooseParts, accept: string): Promise<Response> {
  const { body, signal: abort } = parts
  const response = await fetch(addressFrom(name, parts), {
    method: name.slice(0, name.indexOf(' ')),
    headers: { accept, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(abort === undefined ? {} : { signal: abort }),
    credentials: 'same-origin',
    cache: 'no-store',
  }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    abort?.throwIfAborted()
    isConnected.value = false
    throw new ApiProblem(0, { code: 'unreachable', title: 'No answer', detail: 'The node does not answer' })
  })
  isConnected.value = true
  if (response.ok) return response
  if (response.status === 401) needsSignIn.value = true
  const document: unknown = await response.json().catch(() => ({}))
  throw new ApiProblem(response.status, typeof document === 'object' && document !== null ? { ...document } : {})
}
