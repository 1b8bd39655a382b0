import { userInfo } from 'node:os'
import type { AlertEvent } from '../../../api/contract/alerts.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { ALERT_ACK_OPTIONS } from '../alert-commands.ts'
import type { Call } from '../command.ts'
import { printable } from '../printable.ts'

/** `weir alerts ack` */
export async function run({ words, options, terminal, node }: Call<typeof ALERT_ACK_OPTIONS>): Promise<number> {
  const { comment } = options
  const by = options.by ?? userInfo().username
  for (const id of words) {
    const { ack } = await node().json<AlertEvent>(`/v1/alerts/events/${encodeURIComponent(id)}/ack`, {
      method: 'POST',
      json: { by, ...(comment === undefined ? {} : { comment }) },
    })
    terminal.tell(printable(`${id} is acknowledged by ${ack?.by ?? by}`))
  }
  return EXIT_OK
}
