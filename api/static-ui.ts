import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { WeirError } from '../base/errors.ts'
import { HTML_TYPE } from './contract/common.ts'
import { html, PAGE_POLICY, page } from './page.ts'
import { encodedFor, type StaticFile, type StaticFiles } from './static-files.ts'

/**
 * First segments of the paths of the web UI: each, and whatever is below it, is answered with the index, where the UI's own router takes
 * over. `/` itself is among the operation routes: it answers programs too.
 */
const UI_PAGES = [
  'search',
  'tail',
  'traces',
  'services',
  'alerts',
  'dashboards',
  'cluster',
  'data',
  'settings',
  'sign-in',
] as const

/**
 * Only what this origin serves runs, loads or is asked; nothing is inline, no text can become HTML or script, and no page frames it. `data:`
 * is for the small pictures in style sheets.
 */
const UI_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const UI_HEADERS = {
  'content-security-policy': UI_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
  'x-frame-options': 'DENY',
}

/** Kept for a year by whoever has it. */
const IMMUTABLE = 'public, max-age=31536000, immutable'
/** Asked for every time; not sent again while it is the same. */
const REVALIDATED = 'no-cache'

/** Puts the built files and the pages of the UI on their paths. */
export function addUi(app: FastifyInstance, files: StaticFiles): void {
  const index = (request: FastifyRequest, reply: FastifyReply) => sendIndex(request, reply, files)
  for (const name of UI_PAGES) {
    app.get(`/${name}`, index)
    app.get(`/${name}/*`, index)
  }
  const asset = async (request: FastifyRequest, reply: FastifyReply) => {
    const name = request.url.slice(1).split('?', 1)[0]!
    const file = await files.file(name)
    if (file === undefined) throw new WeirError('not_found', 'There is no such file')
    return sendFile(request, reply, file)
  }
  app.get('/assets/*', asset)
  app.get('/favicon.svg', asset)
}

/** The UI, or, where it was not built, a page that says how it is. */
export async function sendIndex(
  request: FastifyRequest,
  reply: FastifyReply,
  files: StaticFiles,
  fallback: () => string = unbuiltPage,
): Promise<FastifyReply> {
  const file = await files.index()
  if (file !== undefined) return sendFile(request, reply, file)
  return reply.header('content-type', HTML_TYPE).header('content-security-policy', PAGE_POLICY).send(fallback())
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: StaticFile): FastifyReply {
  const { headers } = request
  reply.headers(UI_HEADERS)
  reply.header('etag', file.etag).header('vary', 'accept-encoding')
  reply.header('cache-control', file.isImmutable ? IMMUTABLE : REVALIDATED)
  const known = headers['if-none-match']
  if (known?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === file.etag)) return reply.code(304).send()
  const accepted = headers['accept-encoding']
  const { bytes, encoding } = encodedFor(file, Array.isArray(accepted) ? accepted.join(',') : (accepted ?? ''))
  if (encoding !== undefined) reply.header('content-encoding', encoding)
  return reply.header('content-type', file.type).send(bytes)
}

function unbuiltPage(): string {
  return page(
    'Weir: the UI is not built',
    html`<h1>The web UI was not built here</h1>
<p>The node runs, and its HTTP interface answers. <code>npm start</code> builds the UI before it starts a node; where a node is started otherwise, build it once with</p>
<pre><code>npm ci
npm run build</code></pre>
<p>and load this page again: the node need not be restarted. The packages that build it are left out by <code>npm ci --omit=dev</code>.</p>
<nav><a href="/">This node</a><a href="/docs">All endpoints</a></nav>`,
  )
}
