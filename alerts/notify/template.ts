import { WeirError } from '../../base/errors.ts'
import type { TenantId } from '../../base/ids.ts'
import {
  ALERT_TEMPLATE_DEPTH_MAX,
  ALERT_TEMPLATE_NODES_MAX,
  ALERT_TEMPLATE_STEPS_MAX,
  ALERT_WEBHOOK_BODY_CHARS_MAX,
} from '../../base/notify-limits.ts'
import type { AlertNotification } from './notification.ts'
import { webhookDocument } from './webhook-document.ts'

/**
 * Templates of bodies of webhooks: text in which `{{path}}` stands for a value, escaped for the media type; `{{json path}}` for it as JSON; `{{url path}}` percent-encoded;
 * `{{#if path}}…{{else}}…{{/if}}`, and `{{#each path}}…{{/each}}`, in which `this`, `key`, `first` and `last` can be named. There is no logic beside it, and no way to loop longer than
 * what is looped over.
 */
type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly as: 'text' | 'json' | 'url'; readonly path: readonly string[] }
  | { readonly kind: 'if'; readonly path: readonly string[]; readonly holds: Node[]; readonly otherwise: Node[] }
  | { readonly kind: 'each'; readonly path: readonly string[]; readonly body: Node[] }

type Escape = (text: string) => string

const TAG = /\{\{\s*([^{}]{0,200}?)\s*\}\}/g
const PATH = /^[\w-]{1,64}(?:\.[\w-]{1,64}){0,7}$/
/** What a loop adds to the document. */
const LOOP_NAMES: readonly string[] = ['this', 'key', 'first', 'last']
/** Objects whose keys are the users'. */
const FREE_KEYS = /^(?:group|rule\.labels)$/

/** Body of a webhook. Throws invalid_parameter where it would be too large. */
export function renderTemplate(template: string, contentType: string, notification: AlertNotification): string {
  const out = new Output(escapeOf(contentType))
  out.write(parseTemplate(template), [webhookDocument(notification)])
  return out.text
}

/** Throws invalid_parameter where the template does not parse, names what there is not, or makes no JSON where it should. */
export function checkTemplate(template: string, contentType: string): void {
  const nodes = parseTemplate(template)
  checkPaths(nodes, false)
  for (const notification of HOSTILE) {
    const body = renderTemplate(template, contentType, notification)
    if (!isJson(contentType)) continue
    try {
      JSON.parse(body)
    } catch (error) {
      throw invalid(`makes no JSON (of a notification of kind ${notification.kind}): ${(error as Error).message}`)
    }
  }
}

function parseTemplate(template: string): Node[] {
  interface Open {
    readonly tag: 'if' | 'each'
    readonly nodes: Node[]
    readonly node: Extract<Node, { kind: 'if' | 'each' }>
  }
  const root: Node[] = []
  const open: Open[] = []
  let nodes = root
  let count = 0
  let end = 0
  const add = (node: Node) => {
    if (++count > ALERT_TEMPLATE_NODES_MAX) throw invalid(`may have ${ALERT_TEMPLATE_NODES_MAX} parts`)
    nodes.push(node)
  }
  for (const match of template.matchAll(TAG)) {
    if (match.index > end) add({ kind: 'text', text: template.slice(end, match.index) })
    end = match.index + match[0].length
    const tag = match[1]!
    const block = /^#(if|each)\s+(\S+)$/.exec(tag)
    if (block !== null) {
      const path = pathOf(block[2]!)
      const kind = block[1] as 'if' | 'each'
      const node: Open['node'] = kind === 'if' ? { kind, path, holds: [], otherwise: [] } : { kind, path, body: [] }
      add(node)
      open.push({ tag: kind, nodes, node })
      if (open.length > ALERT_TEMPLATE_DEPTH_MAX) throw invalid(`may nest ${ALERT_TEMPLATE_DEPTH_MAX} blocks`)
      nodes = node.kind === 'if' ? node.holds : node.body
    } else if (tag === 'else') {
      const innermost = open.at(-1)?.node
      if (innermost?.kind !== 'if' || nodes === innermost.otherwise) throw invalid('has an {{else}} outside of {{#if}}')
      nodes = innermost.otherwise
    } else if (tag === '/if' || tag === '/each') {
      const closed = open.pop()
      if (closed?.tag !== tag.slice(1)) throw invalid(`has a {{${tag}}} that closes nothing`)
      nodes = closed.nodes
    } else {
      const [, as = 'text', path = ''] = /^(?:(json|url)\s+)?(\S+)$/.exec(tag) ?? []
      add({ kind: 'value', as: as as 'text', path: pathOf(path) })
    }
  }
  if (open.length > 0) throw invalid(`lacks {{/${open.at(-1)!.tag}}}`)
  if (end < template.length) add({ kind: 'text', text: template.slice(end) })
  return root
}

function pathOf(text: string): string[] {
  if (!PATH.test(text)) throw invalid('has a placeholder that is no path, such as {{rule.name}}')
  return text.split('.')
}

function checkPaths(nodes: readonly Node[], inLoop: boolean): void {
  for (const node of nodes) {
    if (node.kind === 'text') continue
    if (!(inLoop && LOOP_NAMES.includes(node.path[0]!)) && !isKnownPath(node.path)) {
      throw invalid(`names ${node.path.join('.')}, which there is not`)
    }
    if (node.kind === 'if') checkPaths([...node.holds, ...node.otherwise], inLoop)
    if (node.kind === 'each') checkPaths(node.body, true)
  }
}

function isKnownPath(path: readonly string[]): boolean {
  let value: unknown = webhookDocument(HOSTILE[0]!)
  for (let i = 0; i < path.length; i++) {
    if (i > 0 && FREE_KEYS.test(path.slice(0, i).join('.'))) return i === path.length - 1
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, path[i]!)) return false
    value = (value as Record<string, unknown>)[path[i]!]
  }
  return true
}

class Output {
  readonly #escape: Escape
  readonly #parts: string[] = []
  #length = 0
  #steps = 0

  constructor(escapeValue: Escape) {
    this.#escape = escapeValue
  }

  get text(): string {
    return this.#parts.join('')
  }

  /** `scopes`: the document, and what the loops add, the innermost last. */
  write(nodes: readonly Node[], scopes: readonly Record<string, unknown>[]): void {
    for (const node of nodes) {
      if (++this.#steps > ALERT_TEMPLATE_STEPS_MAX) throw invalid('loops too often')
      switch (node.kind) {
        case 'text':
          this.#add(node.text)
          break
        case 'value':
          this.#add(this.#shown(valueAt(scopes, node.path), node.as))
          break
        case 'if':
          this.write(isSomething(valueAt(scopes, node.path)) ? node.holds : node.otherwise, scopes)
          break
        case 'each': {
          const value = valueAt(scopes, node.path)
          const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
          for (const [i, [key, item]] of entries.entries()) {
            this.write(node.body, [...scopes, { this: item, key, first: i === 0, last: i === entries.length - 1 }])
          }
        }
      }
    }
  }

  #add(text: string): void {
    this.#length += text.length
    if (this.#length > ALERT_WEBHOOK_BODY_CHARS_MAX) {
      throw invalid(`makes a body of more than ${ALERT_WEBHOOK_BODY_CHARS_MAX} characters`)
    }
    this.#parts.push(text)
  }

  #shown(value: unknown, as: 'text' | 'json' | 'url'): string {
    if (as === 'json') return JSON.stringify(value ?? null)
    const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '')
    return as === 'url' ? encodeURIComponent(text.toWellFormed()) : this.#escape(text)
  }
}

function valueAt(scopes: readonly Record<string, unknown>[], path: readonly string[]): unknown {
  const scope = scopes.findLast((one) => Object.hasOwn(one, path[0]!))
  let value: unknown = scope
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

function isSomething(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0
  return value !== undefined && value !== null && value !== '' && value !== false
}

function isJson(contentType: string): boolean {
  return /^application\/(?:[\w.+-]+\+)?json/.test(contentType)
}

function escapeOf(contentType: string): Escape {
  if (isJson(contentType)) return (text) => JSON.stringify(text).slice(1, -1)
  if (/^application\/x-www-form-urlencoded/.test(contentType)) return (text) => encodeURIComponent(text.toWellFormed())
  if (/(?:xml|html)/.test(contentType)) return escapeMarkup
  return (text) => text
}

/** For text and double-quoted attributes of HTML and XML. */
export function escapeMarkup(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function invalid(problem: string): WeirError {
  return new WeirError('invalid_parameter', `template ${problem}`, { parameter: 'template' })
}

const NASTY = 'a "quote", a \\ backslash,\n a new line & <tags>'
/** What a template must be able to carry: texts that would break out of a string, and nothing at all. */
const HOSTILE: readonly AlertNotification[] = (['fired', 'resolved', 'test'] as const).map((kind) => ({
  firingId: 'f0',
  kind,
  tenant: 'default' as TenantId,
  rule: {
    id: 'r',
    name: NASTY,
    severity: 'P1',
    labels: kind === 'fired' ? { team: NASTY } : {},
    query: NASTY,
    ...(kind === 'fired' ? { runbook: 'https://example.com/' } : {}),
  },
  group: kind === 'fired' ? { a: NASTY, b: 'c' } : {},
  value: kind === 'test' ? null : 1.5,
  condition: NASTY,
  window: { fromMs: 0, toMs: 60_000 },
  samples:
    kind === 'fired'
      ? [1, 2].map(() => ({ timestamp: '', level: 'ERROR', service: NASTY, host: '', message: NASTY }))
      : [],
  links: { search: 'https://example.com/s', rule: 'https://example.com/r' },
  channels: [],
  firedMs: 0,
  ...(kind === 'resolved' ? { resolvedMs: 60_000 } : {}),
}))
