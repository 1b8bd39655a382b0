import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { COMMANDS } from '../../node/cli/command-table.ts'
import { runInProcess } from '../harness/cli-in-process.ts'
import { CliProcess } from '../harness/cli-process.ts'

const START_MS_MAX = 1000

test('every command has a help with an example, and loads what runs it', async () => {
  for (const { path, examples, load, takesSettings } of COMMANDS) {
    ok(examples.length > 0, `weir ${path.join(' ')} has no example`)
    for (const { line } of examples) ok(line.includes('weir '), line)
    if (path[0] === 'agent') continue
    const { status, out } = await runInProcess([...path, '--help'])
    equal(status, 0)
    ok(out.startsWith(`weir ${path.join(' ')}`), out)
    ok(out.includes('Examples\n'))
    equal((await runInProcess(['help', ...path])).out, out)
    if (!takesSettings) equal(typeof (await load!()).run, 'function')
  }
})

test('help is there soon, with nothing loaded that a node needs', async () => {
  await CliProcess.run(['query', '--help']) // compiles
  const beginMs = performance.now()
  const { status, out } = await CliProcess.run(['query', '--help'])
  equal(status, 0)
  match(out, /^weir query \[<query>…\] \[options\]\n/)
  ok(performance.now() - beginMs < START_MS_MAX)
})

test('a word that is no command is told with what was meant, and where the others are', async () => {
  for (const [argv, error] of [
    [['qery'], 'unknown command qery; did you mean query?'],
    [['keys', 'lst'], 'unknown command keys lst; did you mean list?'],
    [['help', 'nothing'], 'there is no command nothing'],
    [['trace'], 'weir trace is followed by <id>'],
    [['trace', 'a', 'b'], 'weir trace takes no b'],
    [['query', '-n'], '--limit is followed by a value'],
    [['query', '-n', '1', '-n', '2'], '--limit is given twice'],
    [['query', '--raw=1'], '--raw takes no value'],
    [['completion', 'tcsh'], 'weir completion is for bash, zsh, fish, not tcsh'],
  ] as const) {
    const end = await runInProcess([...argv])
    deepEqual([end.status, end.error], [2, `weir: ${error}\nTry weir --help.\n`])
  }
  match((await runInProcess(['keys'])).out, /keys list +List keys.*\n +keys create/)
})

/** What bash offers for the last of these words. */
function bashOffers(...words: string[]): string[] {
  const script = `
    source <("$0" "$1" completion bash)
    shift; COMP_WORDS=(weir "$@"); COMP_CWORD=$#; COMPREPLY=(); _weir; printf '%s\\n' "\${COMPREPLY[@]}"`
  const main = new URL('../../node/main.ts', import.meta.url).pathname
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script, process.execPath, main, ...words], {
    encoding: 'utf8',
  })
  equal(status, 0, stderr)
  equal(stderr, '')
  return stdout.split('\n').filter((line) => line !== '')
}

test('bash completes commands, their words, options and values', () => {
  deepEqual(bashOffers('q'), ['query'])
  deepEqual(bashOffers('keys', ''), ['list', 'create', 'revoke'])
  deepEqual(bashOffers('query', '--fo'), ['--follow'])
  deepEqual(bashOffers('query', 'level:ERROR', '--or'), ['--order'])
  deepEqual(bashOffers('query', '--order', ''), ['desc', 'asc'])
  deepEqual(bashOffers('keys', 'create', 'x', '--role', 're'), ['read'])
  deepEqual(bashOffers('completion', ''), ['bash', 'zsh', 'fish'])
  ok(bashOffers('').includes('tail'))
})

test('the completions of zsh and fish name every command', async () => {
  for (const shell of ['zsh', 'fish']) {
    const { status, out } = await runInProcess(['completion', shell])
    equal(status, 0)
    for (const { path } of COMMANDS)
      ok(out.includes(path.join(' ')) || out.includes(`-a ${path.at(-1)} `), `${shell}: ${path}`)
    ok(out.includes('--since') || out.includes('-l since'))
  }
})

test('the agent starts as a command, with a help of its own', async () => {
  const { status, out } = await CliProcess.run(['agent', '--help'])
  equal(status, 0)
  match(out, /^weir agent: /)
  equal((await CliProcess.run(['agent', '--config', '/does/not/exist.yaml'])).status, 78)
})
