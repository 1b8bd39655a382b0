import type { ApiProblem } from '../api-client.ts'
import { Icon } from './icon.tsx'

/** What went wrong, in the words of the node, and what may help. */
export function ProblemNote({ problem, onRetry }: { readonly problem: ApiProblem; readonly onRetry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <Icon name="warning" />
      <div>
        <strong>{problem.title}</strong>
        <p>{problem.message}</p>
        <p class="dim">
          <a href={`/docs/errors#${problem.code}`}>{problem.code}</a>
        </p>
      </div>
      {onRetry !== undefined && (
        <button type="button" class="button" onClick={onRetry}>
          <Icon name="refresh" /> Try again
        </button>
      )}
    </div>
  )
}
