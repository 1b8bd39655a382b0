import { segments } from '../../router.ts'
import { TraceFinder } from './trace-finder.tsx'
import { TraceView } from './trace-view.tsx'
import './traces-page.css'

/** One trace, or a way to find one. */
export function TracesPage() {
  const id = segments.value[1]
  return id === undefined ? <TraceFinder /> : <TraceView key={id} id={id} />
}
