import type { ComponentChildren } from 'preact'
import type { ApiProblem } from '../api-client.ts'
import { ProblemNote } from './problem-note.tsx'

/** How an action of the user ended. */
export interface Outcome {
  readonly problem?: ApiProblem
  readonly said?: string
}

/** Says how the last action ended; whoever cannot see hears it. */
export function Notice({ outcome }: { readonly outcome: Outcome | undefined }): ComponentChildren {
  if (outcome?.problem !== undefined) return <ProblemNote problem={outcome.problem} />
  return (
    <p role="status" class={outcome?.said === undefined ? 'sr-only' : 'notice'}>
      {outcome?.said ?? ''}
    </p>
  )
}
