import { useSignal } from '@preact/signals'
import type { ApiProblem } from '../api-client.ts'
import { problemOf } from '../loaded.ts'
import { signIn } from '../session.ts'
import { Icon } from './icon.tsx'
import './sign-in.css'

/** Asks for a key, where the node asks for credentials. */
export function SignIn() {
  const problem = useSignal<ApiProblem | undefined>(undefined)
  const isBusy = useSignal(false)
  return (
    <div class="sign-in">
      <form
        class="card sign-in-form"
        onSubmit={async (event) => {
          event.preventDefault()
          const key = String(new FormData(event.currentTarget).get('key') ?? '').trim()
          isBusy.value = true
          problem.value = undefined
          await signIn(key).catch((error: unknown) => {
            problem.value = problemOf(error)
          })
          isBusy.value = false
        }}
      >
        <h1>
          <Icon name="weir" size={22} /> Sign in to Weir
        </h1>
        <p class="dim">
          This node asks for a key. One with the role read searches; the first admin key was shown when the node was
          started for the first time.
        </p>
        <label class="field">
          <span>API key</span>
          <input
            class="input mono"
            name="key"
            type="password"
            required
            autocomplete="current-password"
            aria-invalid={problem.value !== undefined}
            aria-describedby="sign-in-problem"
          />
        </label>
        <p id="sign-in-problem" class="sign-in-problem" role="alert">
          {problem.value?.message ?? ''}
        </p>
        <button type="submit" class="button button-primary" disabled={isBusy.value}>
          Sign in
        </button>
      </form>
    </div>
  )
}
