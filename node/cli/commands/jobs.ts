import type { Job } from '../../../api/contract/uploads.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import type { LIST_OPTIONS } from '../common-options.ts'
import { countText, printList, timeText } from '../list-printer.ts'
import { bytesText } from '../progress.ts'
import type { Column } from '../table.ts'

const COLUMNS: readonly Column<Job>[] = [
  { title: 'JOB', text: ({ jobId }) => jobId, isKept: true },
  { title: 'STATE', text: ({ state }) => state },
  { title: 'CREATED', text: ({ createdAt }) => timeText(createdAt) },
  {
    title: 'DONE',
    text: ({ bytes, bytesTotal }) => `${bytesTotal === 0 ? 100 : Math.floor((bytes / bytesTotal) * 100)} %`,
    align: 'right',
  },
  { title: 'SIZE', text: ({ bytesTotal }) => bytesText(bytesTotal), align: 'right' },
  { title: 'ACCEPTED', text: ({ accepted }) => countText(accepted), align: 'right' },
  { title: 'REJECTED', text: ({ rejected }) => countText(rejected), align: 'right' },
  { title: 'FILES', text: ({ files }) => files.map(({ name }) => name).join(' ') },
]

/** `weir jobs list` */
export async function run({ options, terminal, node }: Call<typeof LIST_OPTIONS>): Promise<number> {
  const { jobs } = await node().json<{ readonly jobs: readonly Job[] }>('/v1/jobs')
  await printList(terminal, options, COLUMNS, jobs)
  return EXIT_OK
}
