import { useEffect, useMemo } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { RowsResult } from '../../api-types.ts'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Loader } from '../../loaded.ts'
import { place, setParams } from '../../router.ts'

/** Finds records. */
export function SearchPage() {
  const loader = useMemo(() => new Loader<RowsResult>(), [])
  const query = place.value.params.get('q') ?? ''
  useEffect(() => {
    void loader.load(async (signal) => (await call('GET /v1/logs/search', { query: { query }, signal })) as RowsResult)
    return () => loader.stop()
  }, [loader, query])
  const { value, problem } = loader.state.value
  return (
    <div class="page-scroll">
      <h1 class="sr-only">Search</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          setParams({ q: String(new FormData(event.currentTarget).get('q') ?? '') })
        }}
      >
        <input class="input mono" name="q" aria-label="Query" defaultValue={query} placeholder="Search" />
      </form>
      {problem !== undefined && <ProblemNote problem={problem} />}
      <ul class="mono">
        {value?.logs.map((log) => (
          <li key={log.id}>
            {log.timestamp} <span class={`level level-${log.level.toLowerCase()}`}>{log.level}</span> {log.message}
          </li>
        ))}
      </ul>
    </div>
  )
}
