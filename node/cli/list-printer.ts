import type { Options } from './command.ts'
import type { LIST_OPTIONS } from './common-options.ts'
import { printableJson } from './printable.ts'
import { type Column, tableText } from './table.ts'
import type { Terminal } from './terminal.ts'

export const ABSENT = '-'

/** Things that a node lists: a table for people, a thing a line for programs. */
export async function printList<T>(
  terminal: Terminal,
  { output }: Options<typeof LIST_OPTIONS>,
  columns: readonly Column<T>[],
  things: readonly T[],
): Promise<void> {
  const { outIsTty, width } = terminal
  const form = output === 'auto' ? (outIsTty ? 'table' : 'ndjson') : output
  if (form === 'table') {
    if (things.length === 0) terminal.tell(terminal.paintError('none', 'dim'))
    else await terminal.write(tableText(columns, things, outIsTty ? width : Infinity))
  } else if (form === 'json') await printJson(terminal, things)
  else await terminal.write(things.map((thing) => `${shown(terminal, JSON.stringify(thing))}\n`).join(''))
}

/** One thing: JSON, indented for people. */
export async function printJson(terminal: Terminal, thing: unknown, isIndented = true): Promise<void> {
  await terminal.write(`${shown(terminal, JSON.stringify(thing, undefined, isIndented ? 2 : undefined))}\n`)
}

function shown({ outIsTty }: Terminal, json: string): string {
  return outIsTty ? printableJson(json) : json
}

export function timeText(time: string | null | undefined): string {
  return time?.replace(/\.\d+Z$/, 'Z') ?? ABSENT
}

export function countText(count: number): string {
  return count.toLocaleString('en')
}
