import { SETTING_KEYS, SETTINGS, type SettingKey, settingSpec } from '../config.ts'
import type { LoadedConfig } from '../config-load.ts'
import { settingText } from '../setting-value.ts'

/** What `weir config --explain` prints: each setting with its value, unit, default and the source of the value. Secrets are masked. */
export function explainConfig(config: LoadedConfig): string {
  const rows = SETTING_KEYS.map((key) => ({
    key,
    value: settingText(settingSpec(key), config.settings[key]) || '(unset)',
    unit: SETTINGS[key].unit,
    default: defaultText(key),
    source: config.sources[key],
  }))
  const width = (column: 'key' | 'value' | 'unit' | 'default') => Math.max(...rows.map((row) => row[column].length))
  const widths = { key: width('key'), value: width('value'), unit: width('unit'), default: width('default') }
  const lines = [
    `# ${config.file ? `read from ${config.file}` : 'no weir.yaml here'}; flags win over the environment, the environment over the file`,
    '',
    [
      'setting'.padEnd(widths.key),
      'value'.padEnd(widths.value),
      'unit'.padEnd(widths.unit),
      'default'.padEnd(widths.default),
      'source',
    ].join('  '),
  ]
  for (const row of rows) {
    const cells = [
      row.key.padEnd(widths.key),
      row.value.padEnd(widths.value),
      row.unit.padEnd(widths.unit),
      row.default.padEnd(widths.default),
      row.source,
    ]
    lines.push(cells.join('  ').trimEnd())
  }
  for (const warning of config.warnings) lines.push('', `# ${warning}`)
  return `${lines.join('\n')}\n`
}

/** The default as a person writes it: `64MiB`, `<data.dir>/objects`, `(unset)`. */
export function defaultText(key: SettingKey): string {
  const spec = settingSpec(key)
  return settingText(spec, spec.default) || (spec.derived ?? '(unset)')
}
