import { useEffect, useMemo, useRef } from 'preact/hooks'
import { after } from './browser-clock.ts'
import { type Loaded, Loader } from './loaded.ts'

export interface Polled<T> extends Loaded<T> {
  /** Fetches it now. */
  readonly reload: () => void
}

/**
 * What `fetchIt` gives, fetched again `periodMs` after each answer for as long as the component is shown; with another `key` at once. Nothing is
 * fetched again while the browser does not show the page. 0: it is fetched once a key.
 */
export function usePolled<T>(key: string, periodMs: number, fetchIt: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const loader = useMemo(() => new Loader<T>(), [])
  const newest = useRef(fetchIt)
  newest.current = fetchIt
  useEffect(() => {
    let cancel = () => {}
    let isOver = false
    let isFirst = true
    const round = async () => {
      const isWanted = isFirst || !document.hidden
      isFirst = false
      if (isWanted) await loader.load((signal) => newest.current(signal))
      if (!isOver && periodMs > 0) cancel = after(periodMs, round)
    }
    void round()
    return () => {
      isOver = true
      cancel()
      loader.stop()
    }
  }, [loader, key, periodMs])
  return { ...loader.state.value, reload: () => void loader.load((signal) => newest.current(signal)) }
}
