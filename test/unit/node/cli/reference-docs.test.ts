import { equal, ok } from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { generatedFiles } from '../../../../node/cli/reference-docs.ts'
import { SETTING_KEYS, settingSpec } from '../../../../node/config.ts'
import { loadConfig } from '../../../../node/config-load.ts'

for (const { path, text } of generatedFiles()) {
  test(`${path} says what the code says (npm run docs)`, () => {
    equal(readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8'), text)
  })
}

test('the example file, uncommented, is a valid file that changes nothing', (context) => {
  const cwd = mkdtempSync(join(tmpdir(), 'weir-example-'))
  context.after(() => rmSync(cwd, { recursive: true }))
  const example = generatedFiles().find(({ path }) => path === 'weir.example.yaml')!.text
  const defaults = loadConfig({ cwd, env: {}, flags: [] })
  writeFileSync(join(cwd, 'weir.yaml'), example.replace(/^# /gm, '').replace(/^[A-Z].*$/gm, ''))
  const { settings, sources } = loadConfig({ cwd, env: {}, flags: [] })
  for (const key of SETTING_KEYS) {
    equal(settings[key], defaults.settings[key], key)
    const { default: fallback, later } = settingSpec(key)
    if (fallback !== null && !later) ok(sources[key].startsWith('weir.yaml line'), key)
  }
})
