import type { SourceModule } from './source-tree.ts'

/** Folder → folders that it may import beside its own. Nothing imports bench/, and test/harness/ serves tests and benches only. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  query: ['base'],
  ingest: ['base'],
  alerts: ['base', 'query'],
  storage: ['base', 'query'],
  cluster: ['base'],
  actors: ['base', 'query', 'alerts', 'ingest', 'cluster', 'storage'],
  api: ['base', 'query', 'alerts', 'ingest', 'actors'],
  agent: ['base', 'ingest'],
  web: [],
  node: ['base', 'query', 'alerts', 'ingest', 'storage', 'cluster', 'actors', 'api', 'agent'],
  bench: ['base', 'query', 'alerts', 'ingest', 'storage', 'cluster', 'actors', 'api', 'agent', 'node', 'test'],
  test: ['base', 'query', 'alerts', 'ingest', 'storage', 'cluster', 'actors', 'api', 'agent', 'node', 'web'],
}

/** Where a folder may import a part of another only. The HTTP layer speaks to actors by messages and refs; it knows none of them. */
const PARTS: Readonly<Record<string, RegExp>> = {
  'api actors': /^actors\/(?:messages\/|runtime\/actor-ref\.ts$)/,
  'bench test': /^test\/harness\//,
}

/** Package → where it may be imported. One that is not listed may not be imported at all. */
const VENDOR_HOMES: Readonly<Record<string, RegExp>> = {
  lmdb: /^(?:storage\/lmdb-kv\.ts|cluster\/lmdb-[a-z-]+\.ts)$/,
  nats: /^(?:cluster|test\/harness)\/nats-[a-z-]+\.ts$/,
  '@nats-io/jetstream': /^(?:cluster|test\/harness)\/nats-[a-z-]+\.ts$/,
  '@nats-io/kv': /^cluster\/nats-[a-z-]+\.ts$/,
  flexsearch: /^storage\/(?:text-index|vocabulary)\.ts$/,
  msgpackr:
    /^(?:storage\/(?:day-partition|manifest|registry-snapshot|seen-pages)|(?:test\/unit\/)?cluster\/heartbeat(?:\.test)?|actors\/runtime\/wire-codec|api\/sockets\/forward-handshake|test\/unit\/api\/sockets\/forward-listener\.test|test\/clients\/forward\.test)\.ts$/,
  hashring: /^cluster\/ring\.ts$/,
  '@aws-sdk/client-s3': /^storage\/object-store\/s3\.ts$/,
  '@fastify/busboy': /^api\/multipart\.ts$/,
  ws: /^api\/sockets\/tail-socket\.ts$/,
  fastify: /^(?:api\/|test\/unit\/api\/)/,
  typebox: /^(?:api\/|test\/unit\/api\/|test\/deploy\/)/,
  pino: /^(?:base\/logger|test\/clients\/[a-z-]+\.test)\.ts$/,
  '@elastic/elasticsearch': /^test\/clients\//,
  'pino-elasticsearch': /^test\/clients\//,
  '@grpc/grpc-js': /^test\/(?:clients|unit\/api\/sockets)\//,
  '@opentelemetry/exporter-logs-otlp-grpc': /^test\/clients\//,
  '@opentelemetry/exporter-logs-otlp-http': /^test\/clients\//,
  '@opentelemetry/exporter-logs-otlp-proto': /^test\/clients\//,
  '@opentelemetry/resources': /^test\/clients\//,
  '@opentelemetry/sdk-logs': /^test\/clients\//,
  'fluent-logger': /^test\/clients\//,
  '@datadog/datadog-api-client': /^test\/clients\//,
  'pino-loki': /^test\/clients\//,
  winston: /^test\/clients\//,
  'winston-loki': /^test\/clients\//,
  snappy: /^(?:test\/(?:unit|integration|fuzz)\/|bench\/protocols\.ts)/,
  nodemailer: /^node\/channels\/smtp-sender\.ts$/,
  maxmind: /^node\/geoip-database\.ts$/,
  'my-ua-parser': /^ingest\/pipeline\/enrich\/user-agent\.ts$/,
  yaml: /^(?:node\/(?:config-load|alert-rule-files|cli\/definition-file)|agent\/yaml-reader|test\/deploy\/deploy-files)\.ts$/,
  preact: /^web\/src\//,
  '@preact/signals': /^(?:web\/src|test\/unit\/web)\//,
  '@tanstack/virtual-core': /^web\/src\/components\//,
  uplot: /^web\/src\/components\//,
  vite: /^web\/[a-z-]+\.ts$/,
  'playwright-core': /^test\/(?:browser|harness)\//,
  'axe-core': /^test\/harness\//,
  fauxqs: /^test\/harness\/s3-server-process\.ts$/,
  'fast-check': /^test\//,
  re2js: /^test\//,
}

/** What starts things: every module must be reachable from here. */
const ENTRIES =
  /^(?:node\/main|agent\/main|web\/(?:src\/main|build|dev)|node\/cli\/write-docs|(?:ingest|storage|query|alerts)\/kernel\/build|bench\/(?:micro\/)?[a-z-]+|test\/.*\.test|test\/deploy\/compose-show|test\/fuzz\/main)\.tsx?$/

export function wrongDirections(modules: readonly SourceModule[]): string[] {
  return modules.flatMap(({ path, imports }) => {
    const from = folderOf(path)
    const allowed = MAY_IMPORT[from]
    if (allowed === undefined) return [`${path}: the folder ${from}/ has no place in the order of layers`]
    return imports.flatMap(({ target, line }) => {
      if (target === undefined) return []
      const to = folderOf(target)
      const part = PARTS[`${from} ${to}`]
      if (to === from || (allowed.includes(to) && (part === undefined || part.test(target)))) return []
      return [`${path}:${line}: ${from}/ may not import ${target}`]
    })
  })
}

export function strayVendors(modules: readonly SourceModule[]): string[] {
  return modules.flatMap(({ path, imports }) =>
    imports.flatMap(({ specifier, target, line }) => {
      if (target !== undefined || specifier.startsWith('node:')) return []
      const name = packageOf(specifier)
      if (VENDOR_HOMES[name]?.test(path)) return []
      return [`${path}:${line}: ${name} may not be imported here`]
    }),
  )
}

export function missingTargets(modules: readonly SourceModule[]): string[] {
  const paths = new Set(modules.map(({ path }) => path))
  return modules.flatMap(({ path, imports }) =>
    imports.flatMap(({ target, line }) =>
      target === undefined || paths.has(target) || target.endsWith('.css')
        ? []
        : [`${path}:${line}: there is no ${target}`],
    ),
  )
}

/** Each cycle once, as a path that ends where it began. Imports of types do not count: nothing is left of them when the program runs. */
export function importCycles(modules: readonly SourceModule[]): string[] {
  const targets = new Map(
    modules.map(({ path, imports }) => [
      path,
      imports.flatMap(({ target, isTypeOnly }) => (isTypeOnly || target === undefined ? [] : [target])),
    ]),
  )
  const state = new Map<string, 'open' | 'done'>()
  const trail: string[] = []
  const cycles: string[] = []
  const visit = (path: string) => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      return
    }
    state.set(path, 'open')
    trail.push(path)
    for (const target of targets.get(path) ?? []) visit(target)
    trail.pop()
    state.set(path, 'done')
  }
  for (const { path } of modules) visit(path)
  return cycles
}

/** Modules that no entry leads to. */
export function deadFiles(modules: readonly SourceModule[]): string[] {
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const reached = new Set<string>()
  const reach = (path: string) => {
    if (reached.has(path)) return
    reached.add(path)
    for (const { target } of byPath.get(path)?.imports ?? []) if (target !== undefined) reach(target)
  }
  for (const { path } of modules) if (ENTRIES.test(path)) reach(path)
  return modules.map(({ path }) => path).filter((path) => !reached.has(path))
}

export function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.indexOf('/')))
}
