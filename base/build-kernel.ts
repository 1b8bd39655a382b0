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

/**
 * Compiles the AssemblyScript parts of a WebAssembly kernel, in their order, and writes kernel-code.ts beside them. That file is kept in the repository,
 * so that nobody needs the compiler, which npx fetches, to run or test. Same source and compiler version, same bytes.
 */
export function buildKernel(folder: string, parts: readonly string[]): void {
  const source = parts.map((part) => readFileSync(join(folder, part), 'utf8')).join('\n')
  const work = mkdtempSync(join(tmpdir(), 'weir-kernel-'))
  try {
    // The compiler insists on its own file ending.
    writeFileSync(join(work, 'kernel.ts'), source)
    const args = ['--yes', '--package', COMPILER, 'asc', 'kernel.ts', ...FLAGS, '-o', 'kernel.wasm']
    execFileSync('npx', args, { cwd: work, stdio: 'inherit' })
    const hash = createHash('sha256').update(source).digest('hex')
    const code = readFileSync(join(work, 'kernel.wasm')).toString('base64')
    const lines = [
      `/** Written by build.ts from ${parts.length === 1 ? parts[0] : 'the parts of the kernel'}. */`,
      `export const KERNEL_SOURCE_SHA256 = '${hash}'`,
      'export const KERNEL_CODE =',
      `  '${code}'`,
      '',
    ]
    writeFileSync(join(folder, 'kernel-code.ts'), lines.join('\n'))
  } finally {
    rmSync(work, { recursive: true })
  }
}
