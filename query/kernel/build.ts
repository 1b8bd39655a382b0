/**
 * Compiles literal.as and writes kernel-code.ts, which is kept in the repository so that nobody needs the
 * compiler to run or test. After a change of it (a test notices):
 *
 *     node query/kernel/build.ts
 *
 * fetches AssemblyScript through npx. Same source and compiler version, same bytes.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const COMPILER = 'assemblyscript@0.28.20'
const FLAGS = [
  ...['-O3', '--runtime', 'stub', '--importMemory', '--noExportMemory', '--noAssert', '--use', 'abort='],
  ...['--enable', 'simd', '--enable', 'bulk-memory', '--disable', 'mutable-globals'],
]

const here = import.meta.dirname
const source = readFileSync(join(here, 'literal.as'), 'utf8')
const work = mkdtempSync(join(tmpdir(), 'weir-kernel-'))
try {
  // The compiler insists on its own file ending.
  writeFileSync(join(work, 'kernel.ts'), source)
  const args = ['--yes', '--package', COMPILER, 'asc', 'kernel.ts', ...FLAGS, '-o', 'kernel.wasm']
  execFileSync('npx', args, { cwd: work, stdio: 'inherit' })
  const hash = createHash('sha256').update(source).digest('hex')
  const code = readFileSync(join(work, 'kernel.wasm')).toString('base64')
  const lines = [
    '/** Written by build.ts from literal.as. */',
    `export const KERNEL_SOURCE_SHA256 = '${hash}'`,
    'export const KERNEL_CODE =',
    `  '${code}'`,
    '',
  ]
  writeFileSync(join(here, 'kernel-code.ts'), lines.join('\n'))
} finally {
  rmSync(work, { recursive: true })
}
