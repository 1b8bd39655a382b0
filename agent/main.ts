import { agentProgram } from './program.ts'

process.exitCode = await agentProgram(process.argv.slice(2))
