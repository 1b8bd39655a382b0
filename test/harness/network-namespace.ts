import { spawnSync } from 'node:child_process'

/** Of 10.<NETWORK>.0.0/16, a subnet of four addresses a namespace. */
const NETWORK = 213
const SUBNETS = 256 * 64

/** Of no device. */
const NOBODY = '02:00:00:00:00:01'

let made = 0

/**
 * A network of its own for one process, joined to the machine by one cable that can be pulled. Made where this process may (root, iproute2, a kernel
 * that has them).
 */
export class NetworkNamespace {
  /** Put before a command, it runs in the namespace, as the same process. */
  readonly command: readonly string[]
  /** Of the machine and of the process, to each other. */
  readonly machineAddress: string
  readonly address: string
  readonly #name: string

  private constructor(name: string, subnet: number) {
    this.#name = name
    this.command = ['ip', 'netns', 'exec', name]
    const [third, fourth] = [Math.floor(subnet / 64), (subnet % 64) * 4]
    this.machineAddress = `10.${NETWORK}.${third}.${fourth + 1}`
    this.address = `10.${NETWORK}.${third}.${fourth + 2}`
  }

  /** undefined where this process may not. */
  static open(): NetworkNamespace | undefined {
    const number = made++
    const namespace = new NetworkNamespace(`weir${process.pid}x${number}`, (process.pid * 16 + number) % SUBNETS)
    const failure = namespace.#make()
    if (failure === undefined) return namespace
    namespace.remove()
    return undefined
  }

  /** Nothing gets through either way, and nobody is told: both ends send to an address that neither has. */
  pullCable(): void {
    this.#eachEnd((ip, device, neighbour) =>
      mustRun(...ip, 'neighbour', 'replace', neighbour, 'lladdr', NOBODY, 'dev', device, 'nud', 'permanent'),
    )
  }

  plugCable(): void {
    this.#eachEnd((ip, device, neighbour) => mustRun(...ip, 'neighbour', 'delete', neighbour, 'dev', device))
  }

  /** To be called when no process runs in it. */
  remove(): void {
    run('ip', 'link', 'delete', this.#name)
    run('ip', 'netns', 'delete', this.#name)
  }

  #eachEnd(run: (ip: readonly [string, ...string[]], device: string, neighbour: string) => void): void {
    run(['ip'], this.#name, this.address)
    run(['ip', '-n', this.#name], 'eth0', this.machineAddress)
  }

  #make(): string | undefined {
    const name = this.#name
    const inside = ['ip', '-n', name]
    const steps = [
      ['ip', 'netns', 'add', name],
      ['ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name],
      ['ip', 'address', 'add', `${this.machineAddress}/30`, 'dev', name],
      ['ip', 'link', 'set', name, 'up'],
      [...inside, 'address', 'add', `${this.address}/30`, 'dev', 'eth0'],
      [...inside, 'link', 'set', 'eth0', 'up'],
      [...inside, 'link', 'set', 'lo', 'up'],
    ]
    for (const [command, ...args] of steps) {
      const failure = run(command!, ...args)
      if (failure !== undefined) return failure
    }
    return undefined
  }
}

function mustRun(command: string, ...args: readonly string[]): void {
  const failure = run(command, ...args)
  if (failure !== undefined) throw new Error(`${[command, ...args].join(' ')}: ${failure}`)
}

/** What went wrong, if anything. */
function run(command: string, ...args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (error !== undefined) return error.message
  return status === 0 ? undefined : stderr
}
