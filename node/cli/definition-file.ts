import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import { CommandFailure } from './failures.ts'

export type Definition = Readonly<Record<string, unknown>>

/** What a file of JSON or YAML defines, a document each; `-` is standard input. Throws CommandFailure. */
export async function definitionsOf(file: string, stdin: () => NodeJS.ReadStream): Promise<readonly Definition[]> {
  const text = await textOf(file, stdin)
  const documents = parseAllDocuments(text, { maxAliasCount: 100 } as object)
  const definitions = [...documents].map((document) => {
    const [error] = document.errors
    if (error !== undefined) throw new CommandFailure(`${file}: ${error.message}`)
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new CommandFailure(`${file}: a definition is an object`)
    }
    return value as Definition
  })
  if (definitions.length === 0) throw new CommandFailure(`${file} defines nothing`)
  return definitions
}

/** The whole of a file, or of standard input for `-`. Throws CommandFailure. */
export async function textOf(file: string, stdin: () => NodeJS.ReadStream): Promise<string> {
  try {
    if (file !== '-') return readFileSync(file, 'utf8')
    const chunks: Buffer[] = []
    for await (const chunk of stdin()) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks).toString()
  } catch (cause) {
    throw new CommandFailure(`${file} cannot be read: ${(cause as Error).message}`, undefined, { cause })
  }
}
