import { readFileSync } from 'node:fs'
import type { OptionSpecs, Options } from './command.ts'
import { URL_DEFAULT } from './common-options.ts'
import { CommandFailure, UsageFailure } from './failures.ts'

export interface NodeAccess {
  readonly url: string
  readonly key: string | undefined
  readonly tenant: string | undefined
}

/** Which node is asked, and as whom: options win over the environment. Throws CommandFailure where the file of the key cannot be read. */
export function nodeAccess(
  options: Options<OptionSpecs>,
  env: Readonly<Record<string, string | undefined>>,
): NodeAccess {
  const url = (options.url as string | undefined) ?? (env.WEIR_URL || URL_DEFAULT)
  const tenant = (options.tenant as string | undefined) ?? (env.WEIR_TENANT || undefined)
  // The key of a node's own environment serves whoever is in its container.
  const key =
    (options.key as string | undefined) ??
    keyOfFile(options['key-file'] as string | undefined) ??
    (env.WEIR_KEY || env.WEIR_AUTH_ADMIN_KEY || undefined)
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) throw new UsageFailure('the key is no key of Weir')
  return { url, key, tenant }
}

function keyOfFile(file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new CommandFailure(`the key cannot be read: ${(cause as Error).message}`, undefined, { cause })
  }
}
