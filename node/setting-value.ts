import type { SettingSpec } from './config.ts'

export type SettingValue = string | number | boolean

export type ParsedSetting = { readonly value: SettingValue } | { readonly problem: string }

const BYTE_UNITS: Readonly<Record<string, number>> = { b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 }
const TIME_UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 }

/** Reads the value of a setting: text (environment, flag) or a scalar of the file. */
export function parseSetting(spec: SettingSpec, raw: unknown): ParsedSetting {
  switch (spec.kind) {
    case 'string':
    case 'path':
    case 'secret':
      return parseText(raw)
    case 'boolean':
      return parseBoolean(raw)
    case 'choice': {
      const isChoice = typeof raw === 'string' && spec.choices.includes(raw)
      // YAML 1.1 habits: `off` is read as text here, but `false` may be what somebody wrote for it.
      if (raw === false && spec.choices.includes('off')) return { value: 'off' }
      return isChoice ? { value: raw } : { problem: `must be one of ${spec.choices.join(', ')}` }
    }
    case 'integer':
    case 'port':
      return inRange(parseInteger(raw), spec, spec.kind === 'port' ? 'a port number' : 'a whole number')
    case 'bytes':
      return inRange(parseScaled(raw, BYTE_UNITS), spec, 'a number of bytes such as 1048576 or 64MiB')
    case 'duration':
      return inRange(parseScaled(raw, TIME_UNITS_MS), spec, 'milliseconds, or a time such as 10s or 2m')
  }
}

/** A value as a person reads and may write it. */
export function settingText(spec: SettingSpec, value: SettingValue | null): string {
  if (value === null) return ''
  if (spec.kind === 'secret') return '********'
  if (typeof value !== 'number') return String(value)
  if (spec.kind === 'bytes') return scaledText(value, BYTE_UNITS, ['TiB', 'GiB', 'MiB', 'KiB'])
  if (spec.kind === 'duration') return scaledText(value, TIME_UNITS_MS, ['d', 'h', 'm', 's', 'ms'])
  return String(value)
}

function parseText(raw: unknown): ParsedSetting {
  if (typeof raw === 'number') return { value: String(raw) }
  if (typeof raw !== 'string' || raw.trim() === '') return { problem: 'must be a text that is not empty' }
  return { value: raw }
}

function parseBoolean(raw: unknown): ParsedSetting {
  if (raw === true || raw === 'true' || raw === '1') return { value: true }
  if (raw === false || raw === 'false' || raw === '0') return { value: false }
  return { problem: 'must be true or false' }
}

function parseInteger(raw: unknown): number | undefined {
  if (typeof raw === 'number') return raw
  return typeof raw === 'string' && /^-?\d+$/.test(raw.trim()) ? Number(raw) : undefined
}

function parseScaled(raw: unknown, units: Readonly<Record<string, number>>): number | undefined {
  if (typeof raw === 'number') return raw
  const match = typeof raw === 'string' ? /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(raw.trim()) : null
  if (!match) return undefined
  const unit = match[2] === '' ? 1 : units[(match[2] ?? '').toLowerCase()]
  return unit === undefined ? undefined : Number(match[1]) * unit
}

function inRange(
  value: number | undefined,
  spec: SettingSpec & { readonly min: number; readonly max: number },
  form: string,
): ParsedSetting {
  if (value === undefined || !Number.isSafeInteger(value)) return { problem: `must be ${form}` }
  if (value >= spec.min && value <= spec.max) return { value }
  return { problem: `must be from ${settingText(spec, spec.min)} to ${settingText(spec, spec.max)}` }
}

function scaledText(value: number, units: Readonly<Record<string, number>>, names: readonly string[]): string {
  for (const name of names) {
    const unit = units[name.toLowerCase()] ?? 1
    if (value !== 0 && value % unit === 0) return `${value / unit}${name}`
  }
  return String(value)
}
