import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { HttpClient } from '../harness/http-client.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const POLL_MS = 250

export interface ComposeNode {
  readonly container: string
  /** Where this machine reaches it. */
  readonly url: string
}

/** compose.yaml as a project of its own name, with its own volumes, untouched by .env and what is set around it. */
export class ComposeProject {
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  /** Builds the images and starts everything. */
  async up(nodes: number): Promise<void> {
    await this.#compose(['up', '--detach', '--build', '--scale', `node=${nodes}`])
  }

  /** Starts or stops nodes; the others go on. */
  async scale(nodes: number): Promise<void> {
    await this.#compose(['up', '--detach', '--no-recreate', '--scale', `node=${nodes}`])
  }

  /** Ends the process of a container at once, as a crash does; it is not started again by itself. */
  async kill(container: string): Promise<void> {
    await run('docker', ['kill', container])
  }

  /** All processes of a container stay in memory and do nothing. */
  async freeze(container: string): Promise<void> {
    await run('docker', ['pause', container])
  }

  async thaw(container: string): Promise<void> {
    await run('docker', ['unpause', container])
  }

  /** The container of a service that has one. */
  containerOf(service: string): string {
    return `${this.#name}-${service}-1`
  }

  /** Stops services in good order, or all of them; their data stays. */
  async stop(...services: string[]): Promise<void> {
    await this.#compose(['stop', ...services])
  }

  async start(...services: string[]): Promise<void> {
    await this.#compose(['start', ...services])
  }

  /** Removes services that each have a volume of their own name, with that volume. */
  async lose(...services: string[]): Promise<void> {
    await this.#compose(['rm', '--stop', '--force', ...services])
    await run('docker', ['volume', 'rm', ...services.map((service) => `${this.#name}_${service}`)])
  }

  /** `weir restore`, with the settings of a node. */
  async restore(): Promise<void> {
    await this.#compose(['run', '--rm', '-T', 'node', 'restore'])
  }

  /** Stops all nodes and removes them with their disks. */
  async removeNodes(): Promise<void> {
    await this.#compose(['rm', '--stop', '--force', '--volumes', 'node'])
  }

  /** Ends everything and removes what it kept. */
  async down(): Promise<void> {
    await this.#compose(['down', '--volumes', '--remove-orphans', '--timeout', '30'])
  }

  /** The nodes that run, by the number of their port. */
  async nodes(): Promise<ComposeNode[]> {
    const text = await this.#compose(['ps', '--format', 'json', 'node'])
    const lines = text.split('\n').filter((line) => line.startsWith('{'))
    const containers = lines.map((line) => JSON.parse(line) as Container)
    return containers
      .flatMap(({ Name, State, Publishers }) => {
        const port = Publishers.find(({ URL: host }) => host === '127.0.0.1')?.PublishedPort
        return State === 'running' && port !== undefined ? [{ container: Name, port }] : []
      })
      .sort((a, b) => a.port - b.port)
      .map(({ container, port }) => ({ container, url: `http://127.0.0.1:${port}` }))
  }

  /** What a service has logged last. */
  logs(service: string, lines: number): Promise<string> {
    return this.#compose(['logs', '--no-color', '--tail', String(lines), service])
  }

  #compose(words: readonly string[]): Promise<string> {
    const options = ['--project-name', this.#name, '--file', 'compose.yaml', '--env-file', '/dev/null']
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WEIR_')))
    return run('docker', ['compose', ...options, ...words], env)
  }
}

/** Standard output of a command. Rejects with the end of what it says when it fails. */
function run(command: string, words: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { cwd: ROOT, env })
    let out = ''
    let problems = ''
    child.stdout.on('data', (bytes) => {
      out += bytes
    })
    child.stderr.on('data', (bytes) => {
      problems += bytes
    })
    child.once('error', (cause) => reject(new Error('docker with Compose v2 is needed', { cause })))
    child.once('close', (status) => {
      if (status === 0) resolve(out)
      else reject(new Error(`${command} ${words.join(' ')} ended with ${status}\n${problems.slice(-4000)}`))
    })
  })
}

interface Container {
  readonly Name: string
  readonly State: string
  readonly Publishers: readonly { readonly URL: string; readonly PublishedPort: number }[]
}

/** Polls until `look` gives something; throws after `maxMs` with what `what` says. A look that throws counts as nothing. */
export async function until<T>(maxMs: number, what: () => string, look: () => Promise<T | undefined>): Promise<T> {
  const endMs = performance.now() + maxMs
  let problem: unknown
  for (;;) {
    const found = await look().catch((error: unknown) => {
      problem = error
      return undefined
    })
    if (found !== undefined) return found
    if (performance.now() > endMs) throw new Error(`waited ${maxMs} ms until ${what()}`, { cause: problem })
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Waits until so many nodes run and each says that it is ready, sees the others, and that every shard is where it is to be. */
export function settled(project: ComposeProject, count: number, maxMs: number): Promise<ComposeNode[]> {
  let last = 'nothing is known'
  return until(
    maxMs,
    () => `${count} nodes are settled: ${last}`,
    async () => {
      const nodes = await project.nodes()
      last = `${nodes.length} run`
      if (nodes.length !== count) return undefined
      for (const { url, container } of nodes) {
        const view = await clusterSeenBy(url)
        last = `${container} sees ${JSON.stringify(view)}`
        if (view.active !== count || view.others > 0 || view.moves > 0 || view.unowned > 0) return undefined
      }
      return nodes
    },
  )
}

async function clusterSeenBy(url: string) {
  const http = new HttpClient(url)
  try {
    const ready = await http.send('/readyz', { signal: AbortSignal.timeout(5000) })
    if (ready.status !== 200) throw new Error(`${url} is not ready: ${ready.text}`)
    const answer = await http.send('/v1/cluster', { signal: AbortSignal.timeout(5000) })
    if (answer.status !== 200) throw new Error(`/v1/cluster of ${url} answers ${answer.status}: ${answer.text}`)
    const { nodes, shards, moves } = answer.json() as {
      nodes: { id: string; state: string }[]
      shards: { owner: string | null }[]
      moves: unknown[]
    }
    const active = new Set(nodes.filter(({ state }) => state === 'active').map(({ id }) => id))
    return {
      active: active.size,
      others: nodes.length - active.size,
      moves: moves.length,
      unowned: shards.filter(({ owner }) => owner === null || !active.has(owner)).length,
    }
  } finally {
    http.close()
  }
}
