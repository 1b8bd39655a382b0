import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { InlineConfig, Plugin } from 'vite'

const WEB_FOLDER = fileURLToPath(new URL('./', import.meta.url))
export const DIST_FOLDER = join(WEB_FOLDER, 'dist')

/** What a browser of the last two years or so knows; no polyfill is sent. */
const BROWSERS = ['chrome120', 'edge120', 'firefox121', 'safari17.2']
const COMPRESSED = /\.(?:js|css|html|svg|json)$/

export function viteSettings(outDir: string): InlineConfig {
  return {
    configFile: false,
    root: WEB_FOLDER,
    cacheDir: join(WEB_FOLDER, '../.cache/vite'),
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir,
      emptyOutDir: true,
      target: BROWSERS,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
    plugins: [precompressed(outDir)],
  }
}

/** Writes `.br` and `.gz` beside each text, so that the server compresses nothing. */
function precompressed(folder: string): Plugin {
  return {
    name: 'precompressed',
    apply: 'build',
    closeBundle() {
      // After a build that failed too, whose error is the one to tell.
      if (!existsSync(folder)) return
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        if (!COMPRESSED.test(name)) continue
        const path = join(folder, name)
        const bytes = readFileSync(path)
        const size = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: size }))
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }))
      }
    },
  }
}
