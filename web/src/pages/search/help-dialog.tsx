import { useEffect, useRef } from 'preact/hooks'
import { Icon } from '../../components/icon.tsx'

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Write a query'],
  ['Enter', 'Search; open the chosen record'],
  ['Shift + Enter', 'A new line in the query'],
  ['Ctrl + Space', 'Complete the query'],
  ['j  k', 'Next and previous record'],
  ['Escape', 'Close the record, the panel, the completion'],
  ['w', 'Wrap lines'],
  ['r', 'Search again'],
  ['?', 'This page'],
]

const EXAMPLES: readonly (readonly [string, string])[] = [
  ['gateway timeout', 'both words, in any field'],
  ['"gateway timeout"', 'one after the other'],
  ['level:>=WARN service:(checkout OR payment)', 'fields, and one of several values'],
  ['latency_ms:>500 -status:200', 'numbers; a minus is NOT'],
  ['pay* timeuot~ /after \\d+ms/', 'wildcards, misspellings, regular expressions'],
  ['_exists_:traceId metadata.userId:u_12', 'fields that are there; nested ones'],
  ['* | stats count(), p95(latency_ms) by (service, bucket(5m))', 'tables and charts'],
  ['level:ERROR | top 10 service', 'the most frequent values'],
]

/** Keys and a first look at the query language. */
export function HelpDialog({ onClose, onTry }: { onClose: () => void; onTry: (query: string) => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    dialog.current?.showModal()
  }, [])
  return (
    <dialog class="help" ref={dialog} aria-labelledby="help-title" onClose={onClose}>
      <header class="help-head">
        <h2 id="help-title">Keys and queries</h2>
        <button
          type="button"
          class="button button-quiet button-icon"
          aria-label="Close the help"
          onClick={() => dialog.current?.close()}
        >
          <Icon name="close" />
        </button>
      </header>
      <div class="help-parts">
        <dl class="help-keys">
          {KEYS.map(([keys, meaning]) => (
            <div key={keys}>
              <dt>
                <kbd>{keys}</kbd>
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
        <ul class="help-queries">
          {EXAMPLES.map(([query, meaning]) => (
            <li key={query}>
              <button type="button" class="menu-item mono" onClick={() => onTry(query)}>
                {query}
              </button>
              <span class="dim">{meaning}</span>
            </li>
          ))}
        </ul>
      </div>
    </dialog>
  )
}
