import { signal } from '@preact/signals'
import { call, needsSignIn } from './api-client.ts'
import type { Session } from './api-types.ts'

/** Who this browser is to the node; undefined until it has said so. */
export const session = signal<Session | undefined>(undefined)

/** Asks who this browser is, so that the sign-in page comes before a request is refused. */
export async function loadSession(): Promise<void> {
  try {
    session.value = await call('GET /v1/session', {})
    needsSignIn.value = !session.value.isSignedIn
  } catch {
    // The page itself says that the node does not answer.
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
