import { jetstreamManager, type StreamConfig, type StreamInfo } from '@nats-io/jetstream'
import { connect, type NatsConnection } from 'nats'
import type { NatsServers } from './nats-server.ts'

/** What an operator does to streams, through a connection of its own. */
export class NatsStreams {
  readonly #servers: NatsServers

  constructor(servers: NatsServers) {
    this.#servers = servers
  }

  info(name: string): Promise<StreamInfo> {
    return this.#with((manager) => manager.streams.info(name))
  }

  add(config: Partial<StreamConfig> & { readonly name: string }): Promise<StreamInfo> {
    return this.#with((manager) => manager.streams.add(config))
  }

  update(name: string, changes: Partial<StreamConfig>): Promise<StreamInfo> {
    return this.#with((manager) => manager.streams.update(name, changes))
  }

  remove(name: string): Promise<boolean> {
    return this.#with((manager) => manager.streams.delete(name))
  }

  /** Removes all whose name begins so. */
  removeAll(prefix: string): Promise<void> {
    return this.#with(async (manager) => {
      for (const { config } of await manager.streams.list().next()) {
        if (config.name.startsWith(prefix)) await manager.streams.delete(config.name)
      }
    })
  }

  /** Has another server, whichever, lead a stream. */
  stepDown(name: string): Promise<void> {
    return this.#with(async (_manager, client) => {
      await client.request(`$JS.API.STREAM.LEADER.STEPDOWN.${name}`)
    })
  }

  /** Calls `onElected` when the stream gets a leader; what it gives ends that. */
  async watchElections(name: string, onElected: () => void): Promise<() => Promise<void>> {
    const client = await connect({ servers: [...this.#servers.urls] })
    client.subscribe(`$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.${name}`, { callback: onElected })
    await client.flush()
    return () => client.close()
  }

  /** Number of the server that leads a stream. */
  async leaderOf(name: string): Promise<number> {
    const { cluster } = await this.info(name)
    return this.#servers.names.indexOf(cluster?.leader ?? '')
  }

  async #with<T>(
    run: (manager: Awaited<ReturnType<typeof jetstreamManager>>, client: NatsConnection) => Promise<T>,
  ): Promise<T> {
    const client = await connect({ servers: [...this.#servers.urls] })
    try {
      return await run(await jetstreamManager(client, { checkAPI: false }), client)
    } finally {
      await client.close()
    }
  }
}
