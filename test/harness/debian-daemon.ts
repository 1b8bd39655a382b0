import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { debianPrograms } from './debian-programs.ts'

/** A program that runs until the test ends, in a directory of its own. */
export interface Daemon {
  readonly directory: string
  /** What it has written to its standard error, for the message of a failure. */
  said(): string
}

/** Starts rsyslogd with the configuration that `configOf` makes of the directory it works in. */
export function startRsyslog(t: TestContext, configOf: (directory: string) => string): Daemon {
  const packages = ['rsyslog', 'rsyslog-elasticsearch', 'libestr0', 'libfastjson4', 'liblognorm5', 'libcurl4']
  const { root, libraryPath } = debianPrograms('rsyslog-elasticsearch', packages)
  return run(t, 'rsyslog', configOf, (directory, config) => ({
    program: join(root, 'usr/sbin/rsyslogd'),
    args: ['-n', '-f', config, '-i', join(directory, 'pid'), '-M', join(libraryPath, 'rsyslog')],
    libraryPath,
  }))
}

/** The same of syslog-ng. */
export function startSyslogNg(t: TestContext, configOf: (directory: string) => string): Daemon {
  const packages = ['syslog-ng-core', 'libivykis0', 'libnet1', 'libjson-c5', 'libwrap0', 'libpcre3', 'libglib2.0-0']
  const { root, libraryPath } = debianPrograms('syslog-ng', packages)
  const own = join(root, 'usr/lib/syslog-ng')
  return run(t, 'syslog-ng', configOf, (directory, config) => ({
    program: join(root, 'usr/sbin/syslog-ng'),
    args: [
      ...['--foreground', '--stderr', '--no-caps', `--cfgfile=${config}`, `--module-path=${join(own, '3.38')}`],
      ...['persist-file', 'pidfile', 'control'].map((name) => `--${name}=${join(directory, name)}`),
    ],
    libraryPath: [own, libraryPath, join(root, 'lib', libraryPath.split('/').at(-1)!)].join(':'),
  }))
}

interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly libraryPath: string
}

function run(
  t: TestContext,
  name: string,
  configOf: (directory: string) => string,
  commandOf: (directory: string, config: string) => Command,
): Daemon {
  const directory = mkdtempSync(join(tmpdir(), `weir-${name}-`))
  const config = join(directory, `${name}.conf`)
  writeFileSync(config, configOf(directory))
  const { program, args, libraryPath } = commandOf(directory, config)
  const child = spawn(program, args, {
    env: { ...process.env, LD_LIBRARY_PATH: libraryPath },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      said += error.message
      resolve()
    })
    child.once('close', () => resolve())
  })
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
    rmSync(directory, { recursive: true, force: true })
  })
  return { directory, said: () => said }
}
