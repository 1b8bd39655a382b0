import { userInfo } from 'node:os'
import type { AlertSilence } from '../../../api/contract/alerts.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { ALERT_SILENCE_OPTIONS } from '../alert-commands.ts'
import type { Call } from '../command.ts'
import { UsageFailure } from '../failures.ts'
import { timeText } from '../list-printer.ts'
import { durationOption } from '../time-option.ts'

/** `weir alerts silences create`: prints its id. */
export async function run(call: Call<typeof ALERT_SILENCE_OPTIONS>): Promise<number> {
  const { words, options, clock, terminal, node } = call
  const { from, to, every, comment } = options
  const startsAt = from ?? 'now'
  if (from !== undefined && to === undefined) throw new UsageFailure('a silence with --from needs --to')
  const endsAt = to ?? new Date(clock.nowMs() + durationOption('for', options.for)).toISOString()
  const silence = await node().json<AlertSilence>('/v1/alerts/silences', {
    method: 'POST',
    json: {
      matchers: words.map(matcherOf),
      startsAt,
      endsAt,
      by: options.by ?? userInfo().username,
      ...(every === undefined ? {} : { every }),
      ...(comment === undefined ? {} : { comment }),
    },
  })
  terminal.tell(`in force from ${timeText(silence.startsAt)} to ${timeText(silence.endsAt)}`)
  await terminal.write(`${silence.id}\n`)
  return EXIT_OK
}

function matcherOf(word: string) {
  const [, field, not, value] = /^([^=!]+)(!?)=(.*)$/s.exec(word) ?? []
  if (field === undefined || value === undefined) {
    throw new UsageFailure(`${word} is no matcher: write service=checkout, name=Disk* or severity!=P0`)
  }
  return { field, value, ...(not === '!' ? { not: true } : {}) }
}
