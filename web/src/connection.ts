import { effect } from '@preact/signals'
import { call, isConnected } from './api-client.ts'
import { every } from './browser-clock.ts'

const RETRY_MS = 2000

/** While no node answers, asks every two seconds whether one does again: see `isConnected`. Returns what ends it. */
export function watchConnection(): () => void {
  return effect(() => {
    if (isConnected.value) return
    return every(RETRY_MS, () => {
      call('GET /readyz', {}).catch(() => undefined)
    })
  })
}
