import { effect, useSignal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { useEffect } from 'preact/hooks'
import { isConnected, needsSignIn } from './api-client.ts'
import { Icon } from './components/icon.tsx'
import { Link } from './components/link.tsx'
import { ProblemNote } from './components/problem-note.tsx'
import { SignIn } from './components/sign-in.tsx'
import { Spinner } from './components/spinner.tsx'
import { ThemeSwitch } from './components/theme-switch.tsx'
import { watchConnection } from './connection.ts'
import { problemOf } from './loaded.ts'
import { PAGES, type PageSpec, pageOf } from './pages.ts'
import { segments } from './router.ts'
import { loadSession, session, signOut } from './session.ts'

export function App() {
  const page = pageOf(segments.value[0])
  useEffect(watchConnection, [])
  // Asked again when a node answers that did not before.
  useEffect(() => effect(() => void (isConnected.value && session.value === undefined && loadSession())), [])
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
        <Shown page={page} />
      </main>
    </div>
  )
}

/** The page, once it is known whether the node asks for a key. */
function Shown({ page }: { page: PageSpec | undefined }) {
  if (needsSignIn.value) return <SignIn />
  if (session.value === undefined && isConnected.value) return null
  return page === undefined ? <NoSuchPage /> : <LazyPage key={page.name} page={page} />
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
        {session.value?.authMode === 'keys' && session.value.isSignedIn && (
          <button type="button" class="rail-link" onClick={() => void signOut()}>
            <Icon name="key" size={20} />
            <span>Sign out</span>
          </button>
        )}
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
