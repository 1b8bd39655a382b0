import { signal } from '@preact/signals'
import { call, isConnected, needsSignIn } from './api-client.ts'
import type { Session } from './api-types.ts'
import { after } from './browser-clock.ts'

const RETRY_MS = 2000

/** Who this browser is to the node; undefined until it has said so. */
export const session = signal<Session | undefined>(undefined)

/** Asks who this browser is, so that the sign-in page comes before a request is refused. */
export async function loadSession(): Promise<void> {
  try {
    session.value = await call('GET /v1/session', {})
    needsSignIn.value = !session.value.isSignedIn
  } catch {
    // The page itself says that the node does not answer; one that answers with an error is asked again.
    if (isConnected.peek() && session.peek() === undefined) after(RETRY_MS, () => void loadSession())
  }
}

/** Throws ApiProblem when the key is not valid. */
export async function signIn(key: string): Promise<void> {
  session.value = await call('POST /v1/session', { body: { key } })
  needsSignIn.value = false
}

export async function signOut(): Promise<void> {
  await call('DELETE /v1/session', {})
  await loadSession()
}
