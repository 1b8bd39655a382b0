import { hash } from 'node:crypto'

const STYLE = `
:root { color-scheme: light dark; --dim: #667; --line: #8884; --code: #8881 }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line) } h3 { margin: 2rem 0 .3rem }
code, pre { font: .875em/1.45 ui-monospace, monospace; background: var(--code); border-radius: 4px }
code { padding: .1em .3em } pre { padding: .8rem; overflow-x: auto } pre code { padding: 0; background: none }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line) }
.dim { color: var(--dim) } .method { font-weight: 600 } nav a { margin-right: 1rem } a { color: inherit }
`

/** Nothing but our own style runs or loads; named by its digest. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** HTML that was built from text that is escaped. */
export interface Html {
  readonly html: string
}

/** A page without scripts or anything loaded from elsewhere; to be served with PAGE_POLICY. */
export function page(title: string, body: Html): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body>${body.html}</body></html>
`
}

/** Template tag: values are escaped unless they are Html themselves; arrays are joined. */
export function html(
  strings: TemplateStringsArray,
  ...values: readonly (string | number | Html | readonly Html[])[]
): Html {
  let text = strings[0]!
  values.forEach((value, i) => {
    text += rendered(value) + strings[i + 1]!
  })
  return { html: text }
}

function rendered(value: string | number | Html | readonly Html[]): string {
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value))
  if ('html' in value) return value.html
  return value.map((item) => item.html).join('')
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
}

/** Text in which what stands between backquotes is code. */
export function withCode(text: string): Html {
  const parts = text.split('`')
  return {
    html: parts.map((part, i) => (i % 2 === 1 ? `<code>${escapeHtml(part)}</code>` : escapeHtml(part))).join(''),
  }
}
