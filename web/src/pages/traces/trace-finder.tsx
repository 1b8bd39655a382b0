import { useEffect, useMemo } from 'preact/hooks'
import { call } from '../../api-client.ts'
import type { LogRecord, RowsResult } from '../../api-types.ts'
import { Icon } from '../../components/icon.tsx'
import { Link } from '../../components/link.tsx'
import { LogText } from '../../components/log-text.tsx'
import { ProblemNote } from '../../components/problem-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Loader } from '../../loaded.ts'
import { levelName } from '../../record-fields.ts'
import { navigate } from '../../router.ts'
import { formatTime } from '../../time-range.ts'

const RECORDS_MAX = 300

/** Opens a trace by its id, or one of those that went wrong lately. */
export function TraceFinder() {
  const loader = useMemo(() => new Loader<readonly LogRecord[]>(), [])
  useEffect(() => {
    void loader.load(async (signal) => {
      const query = { query: '_exists_:traceId level:>=ERROR', limit: RECORDS_MAX, total: 'none' as const }
      const { logs } = (await call('GET /v1/logs/search', { query, signal })) as RowsResult
      const newest = new Map(logs.toReversed().map((log) => [log.traceId, log]))
      return [...newest.values()].toReversed()
    })
    return () => loader.stop()
  }, [loader])
  const { value, problem } = loader.state.value
  return (
    <div class="page-scroll">
      <div class="page-head">
        <h1>Traces</h1>
      </div>
      <form
        class="trace-form"
        onSubmit={(event) => {
          event.preventDefault()
          const id = String(new FormData(event.currentTarget).get('id') ?? '').trim()
          if (id !== '') navigate(`/traces/${encodeURIComponent(id)}`)
        }}
      >
        <label class="field">
          <span>Trace id</span>
          <input class="input mono" name="id" required autocomplete="off" spellcheck={false} />
        </label>
        <button type="submit" class="button button-primary">
          <Icon name="trace" /> Open
        </button>
      </form>
      <h2>With errors in the last hour</h2>
      {problem !== undefined && <ProblemNote problem={problem} />}
      {value === undefined && problem === undefined && <Spinner label="Looking" />}
      {value?.length === 0 && <p class="dim">No record with a trace and an error.</p>}
      <ul class="trace-recent">
        {value?.map((log) => (
          <li key={log.id}>
            <Link to={`/traces/${encodeURIComponent(String(log.traceId))}`} class="trace-recent-link">
              <span class="mono dim">{formatTime(Date.parse(log.timestamp), 'second').slice(11)}</span>
              <span class={`level level-${levelName(log.level)}`}>{log.level}</span>
              <span class="trace-recent-service">{log.service.slice(0, 60)}</span>
              <span class="trace-recent-message mono">
                <LogText text={log.message ?? ''} charsMax={300} />
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </div>
  )
}
