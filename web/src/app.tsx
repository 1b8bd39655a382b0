import { useSignal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { useEffect } from 'preact/hooks'
import { isConnected } from './api-client.ts'
import { Icon } from './components/icon.tsx'
import { Link } from './components/link.tsx'
import { ProblemNote } from './components/problem-note.tsx'
import { Spinner } from './components/spinner.tsx'
import { ThemeSwitch } from './components/theme-switch.tsx'
import { watchConnection } from './connection.ts'
import { problemOf } from './loaded.ts'
import { PAGES, type PageSpec, pageOf } from './pages.ts'
import { segments } from './router.ts'

export function App() {
  const page = pageOf(segments.value[0])
  useEffect(watchConnection, [])
  return (
    <div class="shell">
      <a class="skip-link" href="#page">
        Skip to the page
      </a>
      <Navigation shown={page} />
      <main id="page" class="page" tabIndex={-1}>
        {!isConnected.value && (
          <p class="banner banner-warn" role="status">
            <Icon name="warning" /> This node does not answer. Trying again…
          </p>
        )}
        {page === undefined ? <NoSuchPage /> : <LazyPage key={page.name} page={page} />}
      </main>
    </div>
  )
}

function Navigation({ shown }: { shown: PageSpec | undefined }) {
  return (
    <nav class="rail" aria-label="Pages">
      <Link to="/" class="rail-brand" aria-label="Weir: search">
        <Icon name="weir" size={26} />
      </Link>
      <ul class="rail-pages">
        {PAGES.filter(({ isHidden }) => !isHidden).map((page) => (
          <li key={page.name}>
            <Link to={page.path} class="rail-link" {...(page === shown ? { 'aria-current': 'page' as const } : {})}>
              <Icon name={page.icon} size={20} />
              <span>{page.label}</span>
            </Link>
          </li>
        ))}
      </ul>
      <div class="rail-end">
        <ThemeSwitch />
        <a class="rail-link" href="/docs">
          <Icon name="book" size={20} />
          <span>API</span>
        </a>
      </div>
    </nav>
  )
}

/** A page whose module is loaded when it is first shown. */
function LazyPage({ page }: { page: PageSpec }) {
  const loaded = useSignal<{ Page?: ComponentType; error?: unknown }>({})
  useEffect(() => {
    document.title = `${page.label} · Weir`
    page.load().then(
      (Page) => {
        loaded.value = { Page }
      },
      (error: unknown) => {
        loaded.value = { error }
      },
    )
  }, [page, loaded])
  const { Page, error } = loaded.value
  if (error !== undefined) return <ProblemNote problem={problemOf(error)} />
  return Page === undefined ? <Spinner label="Loading the page" /> : <Page />
}

function NoSuchPage() {
  return (
    <div class="empty">
      <h1>There is no such page</h1>
      <p>
        <Link to="/">Search the logs</Link>
      </p>
    </div>
  )
}
