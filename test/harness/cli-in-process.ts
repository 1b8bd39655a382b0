import { PassThrough } from 'node:stream'
import { systemClock } from '../../base/clock.ts'
import { type CliParts, runCli } from '../../node/cli/run.ts'

export interface InProcessOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly start?: CliParts['start']
}

/** The command line in this process, without a terminal and without input. */
export async function runInProcess(
  argv: readonly string[],
  { env = {}, start = () => Promise.reject(new Error('no node is to start')) }: InProcessOptions = {},
): Promise<{ readonly status: number; readonly out: string; readonly error: string }> {
  const [out, error] = [textSink(), textSink()]
  const status = await runCli({
    argv,
    env,
    cwd: '/',
    version: '1.2.3',
    clock: systemClock,
    stdin: () => new PassThrough().end() as unknown as NodeJS.ReadStream,
    stdout: out.stream,
    stderr: error.stream,
    interruption: () => new AbortController().signal,
    start,
    restore: async () => 'restored\n',
  })
  return { status, out: out.text(), error: error.text() }
}

function textSink() {
  let text = ''
  const stream = new PassThrough()
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return { stream, text: () => text }
}
