import { EXIT_OK } from '../../exit-status.ts'
import type { Call } from '../command.ts'
import { completionScript, SHELLS, type Shell } from '../completion-script.ts'
import { UsageFailure } from '../failures.ts'

/** `weir completion` */
export async function run({ words: [shell = ''], commands, terminal }: Call): Promise<number> {
  if (!isShell(shell)) throw new UsageFailure(`weir completion is for ${SHELLS.join(', ')}, not ${shell}`)
  await terminal.write(completionScript(shell, commands))
  return EXIT_OK
}

function isShell(word: string): word is Shell {
  return (SHELLS as readonly string[]).includes(word)
}
