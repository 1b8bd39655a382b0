import type { KeyInfo } from '../../../api/contract/keys.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { UsageFailure } from '../failures.ts'
import type { KEY_CREATE_OPTIONS } from '../operate-commands.ts'

/** `weir keys create`: the key alone on standard output, so that it can go to a file. */
export async function run({
  words: [name = ''],
  options,
  terminal,
  node,
}: Call<typeof KEY_CREATE_OPTIONS>): Promise<number> {
  if (options.role.length === 0) throw new UsageFailure('weir keys create needs --role, once for each role')
  const body = { name, roles: [...new Set(options.role)], ...(options.of === undefined ? {} : { tenant: options.of }) }
  const { id, key } = await node().json<KeyInfo & { readonly key: string }>('/v1/keys', { method: 'POST', json: body })
  terminal.tell(`key ${id}; it is shown this once`)
  await terminal.write(`${key}\n`)
  return EXIT_OK
}
