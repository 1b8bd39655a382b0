/**
 * Adds to package-lock.json the packages for other platforms that npm left out, because the registry in use did not have them.
 * Without these entries `npm ci` refuses the file everywhere; with them it skips what is for another platform, unseen.
 * Run by `npm run lock`, after any change of the dependencies.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const file = new URL('../package-lock.json', import.meta.url)
const PLATFORM =
  /(?<os>android|darwin|freebsd|linux|openharmony|win32)-(?<cpu>arm64|arm|ia32|ppc64|riscv64|s390x|x64)(?:-(?<abi>\w+))?$/

const lock = JSON.parse(readFileSync(file, 'utf8'))
const paths = Object.keys(lock.packages)
const added = {}
for (const owner of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
    if (paths.some((path) => path.endsWith(`node_modules/${name}`))) continue
    const platform = PLATFORM.exec(name)?.groups
    if (platform === undefined) throw new Error(`${name} is missing, and its name tells no platform`)
    const { os, cpu, abi } = platform
    added[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(owner.dev ? { dev: true } : {}),
      ...(os === 'linux' && abi ? { libc: [abi.startsWith('musl') ? 'musl' : 'glibc'] } : {}),
      optional: true,
      os: [os],
    }
  }
}
lock.packages = Object.fromEntries(
  Object.entries({ ...lock.packages, ...added }).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
)
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
process.stdout.write(`${Object.keys(added).length} packages for other platforms added\n`)
