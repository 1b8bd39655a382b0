import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { natsBinary } from './nats-binary.ts'

const HOST = '127.0.0.1'
/** Below the ports that the kernel gives to outgoing connections, so that a server that restarts finds its own free. */
const PORT_FIRST = 15_000
const PORT_COUNT = 15_000
const READY_MS_MAX = 60_000
const POLL_MS = 20
const STARTS_MAX = 5
/** Streams reserve their max_bytes of this. */
const STORE_BYTES_MAX = 64 * 2 ** 30

export interface NatsServersOptions {
  /** Lines of configuration beside our own, such as `authorization { token: x }`. */
  readonly config?: string
  /** Replaces `8MB`, what the project's own configuration says (J4). */
  readonly maxPayload?: string
  /** What clients put before the address; `tls` where `config` demands it. */
  readonly scheme?: 'nats' | 'tls'
}

interface Ports {
  readonly client: number
  readonly route: number
  readonly monitor: number
}

interface Server {
  readonly name: string
  readonly directory: string
  readonly ports: Ports
  child: ChildProcess | undefined
  exited: Promise<unknown>
}

/**
 * One nats-server, or a cluster of several, with JetStream as the project configures it: file storage, every write synced before it
 * is acknowledged. On loopback, in a temporary directory; ended with this process, however it ends.
 */
export class NatsServers {
  /** Holds all their files. */
  readonly directory: string
  readonly #servers: readonly Server[]
  readonly #scheme: string

  private constructor(directory: string, servers: readonly Server[], scheme: string) {
    this.directory = directory
    this.#servers = servers
    this.#scheme = scheme
  }

  /** Resolves once JetStream takes requests, of all servers. */
  static async start(count: number, options: NatsServersOptions = {}): Promise<NatsServers> {
    for (let attempt = 1; ; attempt++) {
      const directory = mkdtempSync(join(tmpdir(), 'weir-nats-'))
      const servers = new NatsServers(directory, await makeServers(count, directory), options.scheme ?? 'nats')
      try {
        servers.#configure(options)
        for (let i = 0; i < count; i++) servers.#launch(i)
        await servers.ready()
        return servers
      } catch (error) {
        await servers.stop()
        // Another process may have taken a port between our look and the server's.
        if (attempt === STARTS_MAX || !/address already in use/.test(`${error}`)) throw error
      }
    }
  }

  get count(): number {
    return this.#servers.length
  }

  /** Addresses for clients, in the order of the servers. */
  get urls(): readonly string[] {
    return this.#servers.map(({ ports }) => `${this.#scheme}://${HOST}:${ports.client}`)
  }

  /** `server_name` of each, such as JetStream names the leader of a stream. */
  get names(): readonly string[] {
    return this.#servers.map(({ name }) => name)
  }

  /** Process of a server that runs. */
  pid(i: number): number {
    const { child, name } = this.#at(i)
    if (child?.pid === undefined) throw new Error(`${name} does not run`)
    return child.pid
  }

  /** What a server has logged. */
  log(i: number): string {
    return readFileSync(join(this.#at(i).directory, 'log'), 'utf8')
  }

  /** Number of the server that leads JetStream as a whole: without it no stream and no consumer is made. -1 while there is none. */
  async jetStreamLeader(): Promise<number> {
    for (const { child, ports } of this.#servers) {
      const state = child === undefined ? undefined : await monitored<JetStreamState>(ports, 'jsz')
      const leader = state?.meta_cluster?.leader
      if (leader) return this.names.indexOf(leader)
    }
    return -1
  }

  /** Ends it at once, as a crash does; its files stay. */
  async kill(i: number): Promise<void> {
    const server = this.#at(i)
    server.child?.kill('SIGKILL')
    await server.exited
    server.child = undefined
  }

  /** It stays in memory and answers nothing. */
  pause(i: number): void {
    this.#at(i).child?.kill('SIGSTOP')
  }

  resume(i: number): void {
    this.#at(i).child?.kill('SIGCONT')
  }

  /** Starts a server again on its files and ports, ending it first when it runs. Resolves once JetStream takes requests on all that run. */
  async restart(i: number): Promise<void> {
    await this.begin(i)
    await this.ready()
  }

  /** The same, for who does not wait until it is ready. */
  async begin(i: number): Promise<void> {
    await this.kill(i)
    this.#launch(i)
  }

  /** What JetStream keeps of a server that does not run: for tests of backups. */
  storeDirectory(i: number): string {
    return join(this.#at(i).directory, 'store')
  }

  /** Resolves once JetStream takes requests on all servers that run and each of them is current. */
  async ready(): Promise<void> {
    const deadline = systemClock.monotonicMs() + READY_MS_MAX
    while (!(await this.#isReady())) {
      for (const [i, { name, child }] of this.#servers.entries()) {
        if (child !== undefined && child.exitCode !== null) throw new Error(`${name} has ended\n${this.log(i)}`)
      }
      if (systemClock.monotonicMs() > deadline) throw new Error(`JetStream is not ready in time\n${this.log(0)}`)
      await systemClock.sleep(POLL_MS)
    }
  }

  /** Ends all servers and removes their files. */
  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((_, i) => this.kill(i)))
    rmSync(this.directory, { recursive: true, force: true })
  }

  #at(i: number): Server {
    const server = this.#servers[i]
    if (server === undefined) throw new Error(`there is no server ${i}`)
    return server
  }

  #configure({ config = '', maxPayload = '8MB' }: NatsServersOptions): void {
    const routes = this.#servers.map(({ ports }) => `nats://${HOST}:${ports.route}`).join(', ')
    for (const { name, directory, ports } of this.#servers) {
      const lines = [
        `server_name: ${name}`,
        `listen: "${HOST}:${ports.client}"`,
        `http: "${HOST}:${ports.monitor}"`,
        `max_payload: ${maxPayload}`,
        `jetstream { store_dir: "${directory}/store", sync_interval: always, max_file_store: ${STORE_BYTES_MAX} }`,
        ...(this.count > 1 ? [`cluster { name: weir, listen: "${HOST}:${ports.route}", routes: [${routes}] }`] : []),
        config,
      ]
      mkdirSync(join(directory, 'store'), { recursive: true })
      writeFileSync(join(directory, 'conf'), lines.join('\n'))
    }
  }

  #launch(i: number): void {
    const server = this.#at(i)
    const log = openSync(join(server.directory, 'log'), 'a')
    const [command, ...args] = [...dyingWithUs(), natsBinary(), '--config', join(server.directory, 'conf')]
    const child = spawn(command!, args, { stdio: ['ignore', log, log] })
    const killWithUs = () => child.kill('SIGKILL')
    process.once('exit', killWithUs)
    server.child = child
    server.exited = new Promise((resolve) => {
      child.once('exit', () => {
        process.off('exit', killWithUs)
        resolve(undefined)
      })
    })
  }

  async #isReady(): Promise<boolean> {
    const running = this.#servers.filter(({ child }) => child !== undefined)
    for (const { ports } of running) {
      if ((await monitored<{ status: string }>(ports, 'healthz'))?.status !== 'ok') return false
    }
    if (this.count === 1) return true
    // Healthy is not enough: a leader that has not seen the others yet cannot place a replicated stream.
    const states = await Promise.all(running.map(({ ports }) => monitored<JetStreamState>(ports, 'jsz')))
    const metas = states.map((state) => state?.meta_cluster)
    const leader = metas[0]?.leader
    if (!leader || metas.some((meta) => meta?.leader !== leader || meta.cluster_size !== this.count)) return false
    const others = running.map(({ name }) => name).filter((name) => name !== leader)
    const replicas = metas.flatMap((meta) => meta?.replicas ?? [])
    return others.every((name) => replicas.some((replica) => replica.name === name && replica.current))
  }
}

/** What we read of `/jsz`. */
interface JetStreamState {
  readonly meta_cluster?: {
    readonly leader?: string
    readonly cluster_size?: number
    /** Known to the leader only. */
    readonly replicas?: readonly { readonly name: string; readonly current: boolean }[]
  }
}

async function monitored<T>({ monitor }: Ports, page: string): Promise<T | undefined> {
  try {
    const response = await fetch(`http://${HOST}:${monitor}/${page}`, { signal: AbortSignal.timeout(2000) })
    return (await response.json()) as T
  } catch {
    return undefined // it does not listen yet
  }
}

async function makeServers(count: number, directory: string): Promise<readonly Server[]> {
  const ports = await freePorts(count * 3)
  return Array.from({ length: count }, (_, i) => ({
    name: `n${i}`,
    directory: join(directory, `n${i}`),
    ports: { client: ports[i * 3]!, route: ports[i * 3 + 1]!, monitor: ports[i * 3 + 2]! },
    child: undefined,
    exited: Promise.resolve(),
  }))
}

async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = PORT_FIRST + Math.floor(systemClock.random() * PORT_COUNT)
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, HOST, () => server.close(() => resolve(true)))
  })
}

let wrapper: readonly string[] | undefined

/** A command that has the kernel end the server with our process, also when that is killed and runs no exit hooks. */
function dyingWithUs(): readonly string[] {
  const command = ['setpriv', '--pdeathsig', 'KILL']
  wrapper ??= spawnSync(command[0]!, [...command.slice(1), 'true']).status === 0 ? command : []
  return wrapper
}
