import type { AlertRule } from '../../../api/contract/alerts.ts'
import { EXIT_OK } from '../../exit-status.ts'
import type { ALERT_APPLY_OPTIONS } from '../alert-commands.ts'
import type { Call } from '../command.ts'
import { type Definition, definitionsOf } from '../definition-file.ts'
import { CommandFailure, UsageFailure } from '../failures.ts'
import { printable } from '../printable.ts'

const ID_CHARS_MAX = 64

/** `weir alerts rules apply` */
export async function run({ options, terminal, stdin, node }: Call<typeof ALERT_APPLY_OPTIONS>): Promise<number> {
  if (options.file.length === 0) throw new UsageFailure('weir alerts rules apply needs --file, - for standard input')
  const rules = (await Promise.all(options.file.map((file) => definitionsOf(file, stdin))))
    .flat()
    .flatMap(rulesOf)
    .map(identified)
  const ids = new Set(rules.map(({ id }) => id))
  if (ids.size < rules.length) throw new CommandFailure('two rules have the same id')
  for (const { id, definition } of rules) {
    const { revision } = await node().json<AlertRule>(`/v1/alerts/rules/${encodeURIComponent(id)}`, {
      method: 'PUT',
      json: definition,
    })
    terminal.tell(`${printable(id)} is in force, revision ${revision}`)
  }
  return EXIT_OK
}

/** A file may be one that `alerts.rulesDir` takes; whose rules they are, the tenant of the command says. */
function rulesOf(definition: Definition): readonly Definition[] {
  const { rules } = definition
  if (!Array.isArray(rules)) return [definition]
  return rules.map((rule: unknown) => {
    if (typeof rule !== 'object' || rule === null) throw new CommandFailure('a rule is an object')
    return rule as Definition
  })
}

/** A rule has the id that its file gives it, else one made from its name: applied again, it is the same rule. */
function identified({ id, ...definition }: Definition): { readonly id: string; readonly definition: Definition } {
  if (typeof id === 'string' && id !== '') return { id, definition }
  const made = String(definition.name ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, ID_CHARS_MAX)
  if (made === '') throw new CommandFailure('a rule has an id or a name of letters')
  return { id: made, definition }
}
