import { html, page } from './page.ts'

export interface LandingFacts {
  readonly name: 'weir'
  readonly version: string
  readonly nodeId: string
  readonly links: Readonly<Record<string, string>>
}

export function landingFacts(version: string, nodeId: string): LandingFacts {
  return {
    name: 'weir',
    version,
    nodeId,
    links: {
      docs: '/docs',
      openapi: '/openapi.json',
      errors: '/docs/errors',
      ingest: '/v1/logs/ingest',
      search: '/v1/logs/search',
      health: '/healthz',
      readiness: '/readyz',
      metrics: '/metrics',
    },
  }
}

/** Where the web UI was not built: tells a visitor what runs here and what to type next. `origin` is the address they reached it by. */
export function landingPage({ version, nodeId }: LandingFacts, origin: string, authenticated: boolean): string {
  const key = authenticated ? " -H 'Authorization: Bearer <key>'" : ''
  return page(
    'Weir',
    html`<h1>Weir <span class="dim">${version}</span></h1>
<p>This node (<code>${nodeId}</code>) takes logs, keeps them and finds them. Its web UI was not built: <code>npm run build</code>, then load this page again.</p>
<h2>Send a record</h2>
<pre><code>curl ${origin}/v1/logs/ingest${key} -d '{"level":"ERROR","service":"checkout","message":"payment gateway timeout"}'</code></pre>
<h2>Find it</h2>
<pre><code>curl -G ${origin}/v1/logs/search${key} --data-urlencode 'query=timeout AND level:ERROR'</code></pre>
<h2>Read on</h2>
<nav><a href="/docs">All endpoints</a><a href="/docs/errors">Errors</a><a href="/openapi.json">OpenAPI 3.1</a><a href="/readyz">Readiness</a><a href="/metrics">Metrics</a></nav>`,
  )
}
