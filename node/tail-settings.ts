import type { SettingSpec } from './config.ts'

/** Settings of live tails; a part of SETTINGS. */
export const TAIL_SETTINGS = {
  'limits.tailsPerTenant': {
    kind: 'integer',
    default: 1000,
    min: 0,
    max: 100_000,
    unit: 'tails a tenant',
    description: 'Live tails (WebSocket and server-sent events) of one tenant on each node; further ones get 429.',
  },
} as const satisfies Record<string, SettingSpec>
