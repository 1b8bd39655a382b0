/**
 * Compiles kernel.as and writes kernel-code.ts, which is kept in the repository so that nobody needs the compiler to run or
 * test. After a change of kernel.as (a test notices):
 *
 *     node ingest/kernel/build.ts
 *
 * fetches AssemblyScript through npx. Same source and compiler version, same bytes.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const COMPILER = 'assemblyscript@0.28.20'
const FLAGS = [
  ...['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--noAssert', '--use', 'abort='],
  ...['--enable', 'simd', '--enable', 'bulk-memory', '--disable', 'mutable-globals'],
]

const here = import.meta.dirname
const work = mkdtempSync(join(tmpdir(), 'weir-kernel-'))
try {
  // The compiler insists on its own file ending.
  copyFileSync(join(here, 'kernel.as'), join(work, 'kernel.ts'))
  const args = ['--yes', '--package', COMPILER, 'asc', 'kernel.ts', ...FLAGS, '-o', 'kernel.wasm']
  execFileSync('npx', args, { cwd: work, stdio: 'inherit' })
  const source = createHash('sha256')
    .update(readFileSync(join(here, 'kernel.as')))
    .digest('hex')
  const code = readFileSync(join(work, 'kernel.wasm')).toString('base64')
  const lines = [
    '/** Written by build.ts; the compiled form of kernel.as. */',
    `export const KERNEL_SOURCE_SHA256 = '${source}'`,
    'export const KERNEL_CODE =',
    `  '${code}'`,
    '',
  ]
  writeFileSync(join(here, 'kernel-code.ts'), lines.join('\n'))
} finally {
  rmSync(work, { recursive: true })
}
