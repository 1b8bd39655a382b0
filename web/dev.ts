import { spawn } from 'node:child_process'
import { createServer } from 'vite'
import { DIST_FOLDER, viteSettings } from './vite-settings.ts'

/**
 * `npm run dev`: the web UI on http://localhost:5173, reloaded as its sources change, before the node at WEIR_URL; without that, before one that it
 * starts (with the arguments given, such as `-- --demo`).
 */
const target = process.env.WEIR_URL ?? 'http://127.0.0.1:9347'
if (process.env.WEIR_URL === undefined) {
  const node = spawn(process.execPath, ['node/main.ts', 'start', ...process.argv.slice(2)], { stdio: 'inherit' })
  node.once('exit', (code) => process.exit(code ?? 1))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => node.kill(signal))
}

const server = await createServer({
  ...viteSettings(DIST_FOLDER),
  logLevel: 'info',
  server: {
    port: 5173,
    strictPort: true,
    proxy: Object.fromEntries(
      ['/v1', '/docs', '/openapi.json', '/readyz', '/healthz', '/metrics'].map((path) => [path, { target, ws: true }]),
    ),
  },
})
await server.listen()
server.printUrls()
