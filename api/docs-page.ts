import { ERROR_CATALOGUE } from '../base/errors.ts'
import type { OpenApiDocument, OpenApiOperation, OpenApiParameter } from './openapi.ts'
import { type Html, html, page, withCode } from './page.ts'

const NOTHING: Html = { html: '' }

/** The OpenAPI document as a page for people. */
export function docsPage(document: OpenApiDocument): string {
  const groups = new Map<string, Html[]>()
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const group = operation.tags[0]!
      groups.set(group, [...(groups.get(group) ?? []), operationSection(path, method, operation)])
    }
  }
  const names = [...groups.keys()]
  return page(
    'Weir: HTTP interface',
    html`<h1>Weir <span class="dim">${document.info.version}</span></h1>
<p>${withCode(document.info.description)}</p>
<nav>${names.map((name) => html`<a href="#${name}">${name}</a>`)}<a href="#schemas">Schemas</a><a href="/docs/errors">Errors</a><a href="/openapi.json">OpenAPI 3.1</a></nav>
${names.map((name) => html`<h2 id="${name}">${name}</h2>${groups.get(name)!}`)}
<h2 id="schemas">Schemas</h2>
${Object.entries(document.components.schemas).map(
  ([name, schema]) =>
    html`<h3 id="schema-${name}">${name}</h3><pre><code>${JSON.stringify(schema, null, 2)}</code></pre>`,
)}`,
  )
}

/** Every error code: what the `type` of a problem document points to. */
export function errorsPage(): string {
  return page(
    'Weir: errors',
    html`<h1>Errors</h1>
<p>Errors are RFC 9457 problem documents. Their <code>code</code> is stable. What may succeed when tried again says so; 429 and 503 say when in <code>Retry-After</code>.</p>
<table><tr><th>code</th><th>status</th><th>try again</th><th>meaning</th></tr>
${Object.entries(ERROR_CATALOGUE).map(
  ([code, { status, retryable, title }]) =>
    html`<tr id="${code}"><td><code>${code}</code></td><td>${status}</td><td>${retryable ? 'yes' : 'no'}</td><td>${title}</td></tr>`,
)}</table><p><a href="/docs">All endpoints</a></p>`,
  )
}

function operationSection(path: string, method: string, operation: OpenApiOperation): Html {
  const { operationId, summary, description, parameters, requestBody, responses, security } = operation
  return html`<h3 id="${operationId}"><span class="method">${method.toUpperCase()}</span> <code>${path}</code></h3>
<p>${withCode(summary)}.${security.length === 0 ? html` <span class="dim">No credential is needed.</span>` : NOTHING}</p>
${description === undefined ? NOTHING : html`<p>${withCode(description)}</p>`}
${parameters.length === 0 ? NOTHING : html`<table><tr><th>parameter</th><th>in</th><th></th></tr>${parameters.map(parameterRow)}</table>`}
${requestBody === undefined ? NOTHING : html`<p>Body (${Object.keys(requestBody.content).join(', ')}): ${withCode(requestBody.description)}</p>`}
<table>${Object.entries(responses).map(
    ([status, response]) =>
      html`<tr><td><code>${status}</code></td><td>${withCode(response.description)} ${schemaLinks(response.content)}</td></tr>`,
  )}</table>`
}

function parameterRow({ name, in: place, description, schema }: OpenApiParameter): Html {
  const facts: string[] = []
  const { enum: values, default: preset, minimum, maximum, type } = schema as Record<string, unknown>
  if (type === 'integer') facts.push(`integer ${minimum ?? '…'} to ${maximum ?? '…'}`)
  if (Array.isArray(values)) facts.push(values.map((value) => `\`${value}\``).join(', '))
  if (preset !== undefined) facts.push(`default \`${String(preset)}\``)
  const text = [description ?? '', facts.join('; ')].filter((part) => part !== '').join(' ')
  return html`<tr><td><code>${name}</code></td><td>${place}</td><td>${withCode(text)}</td></tr>`
}

/** Links to the components that a response's content is made of. */
function schemaLinks(content: Record<string, unknown> | undefined): readonly Html[] {
  const names = new Set<string>()
  for (const [, name] of JSON.stringify(content ?? {}).matchAll(/#\/components\/schemas\/(\w+)/g)) names.add(name!)
  return [...names].map((name) => html`<a href="#schema-${name}">${name}</a> `)
}
