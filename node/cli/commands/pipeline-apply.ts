import type { Pipeline } from '../../../api/contract/pipelines.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { definitionsOf } from '../definition-file.ts'
import { UsageFailure } from '../failures.ts'
import type { PIPELINE_APPLY_OPTIONS } from '../operate-commands.ts'
import { printable } from '../printable.ts'

/** `weir pipelines apply` */
export async function run(call: Call<typeof PIPELINE_APPLY_OPTIONS>): Promise<number> {
  const {
    words: [id = ''],
    options,
    terminal,
    stdin,
    node,
  } = call
  if (options.file === undefined) throw new UsageFailure('weir pipelines apply needs --file, - for standard input')
  const [definition, ...others] = await definitionsOf(options.file, stdin)
  if (others.length > 0) throw new UsageFailure(`${options.file} has ${others.length + 1} documents; a pipeline is one`)
  const { version } = await node().json<Pipeline>(`/v1/pipelines/${encodeURIComponent(id)}`, {
    method: 'PUT',
    json: definition,
    ...(options['if-version'] === undefined ? {} : { headers: { 'if-match': `"${options['if-version']}"` } }),
  })
  terminal.tell(`${printable(id)} is in force, version ${version}`)
  return EXIT_OK
}
