import assert from 'node:assert/strict'
import type { TenantId } from '../../base/ids.ts'
import { type MachineOptions, SimulatedMachine, SimulatedNode } from './simulated-node.ts'

export const ACME = 'acme' as TenantId

/** A machine with a node on it, for tests of the durable core; time moves only when a test moves it. */
export class DurableNode {
  readonly machine: SimulatedMachine
  readonly lines: string[] = []
  node: SimulatedNode

  private constructor(options: Omit<MachineOptions, 'seed'>) {
    this.machine = new SimulatedMachine({
      seed: 1,
      ...options,
      log: (level, message, fields) => this.lines.push(`${level}: ${message} ${JSON.stringify(fields)}`),
    })
    this.node = new SimulatedNode(this.machine)
  }

  static async start(options: Omit<MachineOptions, 'seed'> = {}): Promise<DurableNode> {
    const durable = new DurableNode(options)
    await durable.machine.clock.run(durable.node.start())
    return durable
  }

  /** Another process on the same machine. */
  async restart(): Promise<void> {
    this.node = new SimulatedNode(this.machine)
    await this.machine.clock.run(this.node.start())
  }

  /** Sends one record for each uid; each `service` is in a shard of its own choice. */
  async send(uids: readonly string[], service = 'api', key?: string): Promise<void> {
    const nowMs = this.machine.clock.nowMs()
    const lines = uids.map((uid) => JSON.stringify({ uid, service, message: `row ${uid}` }))
    const request = {
      tenant: ACME,
      protocol: 'http',
      format: 'ndjson' as const,
      body: new TextEncoder().encode(lines.join('\n')),
      receivedMs: nowMs,
      ...(key === undefined ? {} : { idempotencyKey: key }),
    }
    const { accepted } = await this.machine.clock.run(this.node.ingest(request))
    assert.equal(accepted, uids.length)
  }

  async found(): Promise<string[]> {
    const records = await this.machine.clock.run(this.node.search(ACME, '*'))
    return records.map(({ uid }) => uid).sort()
  }

  async pass(ms: number): Promise<void> {
    await this.machine.clock.advance(ms)
    assert.equal(this.node.fatal, undefined)
  }

  /** Publishes what every shard has, and waits until that is done or has failed. */
  async publish(): Promise<void> {
    for (const { publisher } of this.node.shards.values()) {
      await this.machine.clock.run(publisher!.ask({ kind: 'publish', everything: true }, { deadlineMs: 60_000 }))
    }
  }

  async tidyUp(): Promise<void> {
    for (const { publisher } of this.node.shards.values()) {
      await this.machine.clock.run(publisher!.ask({ kind: 'tidyUp' }, { deadlineMs: 60_000 }))
    }
  }

  segments(): string[] {
    return [...this.machine.objects.objects.keys()].filter((key) => key.endsWith('.seg'))
  }

  heard(pattern: RegExp): boolean {
    return this.lines.some((line) => pattern.test(line))
  }
}
