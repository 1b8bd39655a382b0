import type { Agent } from '../../../api/contract/agents.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { ABSENT, countText, printList, timeText } from '../list-printer.ts'
import { bytesText } from '../progress.ts'
import type { Column } from '../table.ts'

const beat = (text: (heartbeat: NonNullable<Agent['heartbeat']>) => string | undefined) => (agent: Agent) =>
  agent.heartbeat === null ? ABSENT : (text(agent.heartbeat) ?? ABSENT)
const count = (value: number | undefined) => (value === undefined ? undefined : countText(value))

const COLUMNS: readonly Column<Agent>[] = [
  { title: 'AGENT', text: ({ clientId }) => clientId, isKept: true },
  { title: 'HOST', text: ({ host, heartbeat }) => heartbeat?.host ?? host ?? ABSENT },
  { title: 'ENVIRONMENT', text: ({ environment }) => environment ?? ABSENT },
  { title: 'VERSION', text: ({ agentVersion, heartbeat }) => heartbeat?.agentVersion ?? agentVersion ?? ABSENT },
  { title: 'SEEN', text: ({ lastSeenAt }) => timeText(lastSeenAt) },
  { title: 'DELIVERED', text: beat(({ recordsDelivered }) => count(recordsDelivered)), align: 'right' },
  { title: 'REJECTED', text: beat(({ recordsRejected }) => count(recordsRejected)), align: 'right' },
  {
    title: 'SPOOL',
    text: beat(({ spoolBytes }) => (spoolBytes === undefined ? undefined : bytesText(spoolBytes))),
    align: 'right',
  },
  { title: 'LAST ERROR', text: beat(({ lastError }) => lastError) },
]

/** `weir agents list` */
export async function run({ options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const { agents } = await node().json<{ readonly agents: readonly Agent[] }>('/v1/agents')
  await printList(terminal, options, COLUMNS, agents)
  return EXIT_OK
}
