import { ALERT_COMMANDS } from './alert-commands.ts'
import type { CommandSpec } from './command.ts'
import { FIND_COMMANDS } from './find-commands.ts'
import { OPERATE_COMMANDS } from './operate-commands.ts'
import { RUN_COMMANDS } from './run-commands.ts'
import { SEND_COMMANDS } from './send-commands.ts'

/** Every command of `weir`. Help, completion and docs/cli.md are made from it; what runs a command is loaded when it runs. */
export const COMMANDS: readonly CommandSpec[] = [
  ...FIND_COMMANDS,
  ...SEND_COMMANDS,
  ...ALERT_COMMANDS,
  ...OPERATE_COMMANDS,
  ...RUN_COMMANDS,
]
