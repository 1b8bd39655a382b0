import type { Coverage } from '../../../api/contract/common.ts'
import type { DeadLetter } from '../../../api/contract/dead-letters.ts'
import { EXIT_EMPTY, EXIT_INCOMPLETE, EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { missingText } from '../coverage-text.ts'
import { printList, timeText } from '../list-printer.ts'
import type { DEAD_LETTERS_OPTIONS } from '../operate-commands.ts'
import type { Column } from '../table.ts'

const PAGE_MAX = 500

const COLUMNS: readonly Column<DeadLetter>[] = [
  { title: 'ID', text: ({ id }) => id, isKept: true },
  { title: 'RECEIVED', text: ({ receivedAt }) => timeText(receivedAt) },
  { title: 'PROTOCOL', text: ({ protocol }) => protocol },
  { title: 'CODE', text: ({ code }) => code },
  { title: 'REASON', text: ({ reason }) => reason },
  { title: 'RAW', text: ({ raw, encoding }) => (encoding === 'base64' ? `base64:${raw}` : raw) },
]

interface Page {
  readonly deadLetters: readonly DeadLetter[]
  readonly nextCursor: string | null
  readonly coverage: Coverage
}

/** `weir dead-letters list` */
export async function run({ options, terminal, node }: Call<typeof DEAD_LETTERS_OPTIONS>): Promise<number> {
  const { from, to, protocol, code, reason, limit } = options
  const wanted = limit || Infinity
  let found = 0
  let cursor: string | null | undefined
  let missing: string | undefined
  // Page by page on its way out; a table is one page on a terminal as a rule.
  do {
    const page = await node().json<Page>('/v1/dead-letters', {
      parameters: {
        from,
        to,
        protocol,
        code,
        reason,
        limit: Math.min(PAGE_MAX, wanted - found),
        ...(cursor ? { cursor } : {}),
      },
    })
    found += page.deadLetters.length
    cursor = page.nextCursor
    missing ??= missingText(page.coverage)
    if (page.deadLetters.length > 0) await printList(terminal, options, COLUMNS, page.deadLetters)
  } while (cursor !== null && found < wanted)
  if (found === 0 && terminal.errorIsTty) terminal.tell(terminal.paintError('none', 'dim'))
  if (missing !== undefined) {
    terminal.tell(terminal.paintError(`weir: ${missing}`, 'yellow'))
    return EXIT_INCOMPLETE
  }
  return found === 0 && options['fail-empty'] ? EXIT_EMPTY : EXIT_OK
}
