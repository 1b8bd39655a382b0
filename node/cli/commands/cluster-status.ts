import type { Cluster } from '../../../api/contract/cluster.ts'
import { EXIT_OK } from '../../exit-status.ts'
import { clusterText } from '../cluster-text.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { UnreachableFailure } from '../failures.ts'

/** `weir cluster status` */
export async function run({ options, clock, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const client = node()
  const cluster = await client.json<Cluster>('/v1/cluster')
  if (!Array.isArray(cluster?.nodes) || !Array.isArray(cluster.shards)) {
    throw new UnreachableFailure(`what answers at ${client.url.origin} is no node of Weir`)
  }
  const form = options.output === 'auto' ? (terminal.outIsTty ? 'table' : 'ndjson') : options.output
  if (form === 'table') await terminal.write(clusterText(cluster, clock.nowMs()))
  else await terminal.write(`${JSON.stringify(cluster, undefined, form === 'json' ? 2 : undefined)}\n`)
  return EXIT_OK
}
