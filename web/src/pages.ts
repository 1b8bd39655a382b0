import type { ComponentType } from 'preact'
import type { IconName } from './components/icon.tsx'

export interface PageSpec {
  /** First segment of its path; the search page is at `/` too. */
  readonly name: string
  readonly path: string
  readonly label: string
  readonly icon: IconName
  /** Not in the navigation, such as the page of one trace. */
  readonly isHidden?: boolean
  readonly load: () => Promise<ComponentType>
}

/** Every page there is, in the order of the navigation. Each is a module of its own, loaded when it is first shown. */
export const PAGES: readonly PageSpec[] = [
  {
    name: 'search',
    path: '/',
    label: 'Search',
    icon: 'search',
    load: () => import('./pages/search/search-page.tsx').then((module) => module.SearchPage),
  },
  {
    name: 'tail',
    path: '/tail',
    label: 'Tail',
    icon: 'tail',
    load: () => import('./pages/tail/tail-page.tsx').then((module) => module.TailPage),
  },
  {
    name: 'traces',
    path: '/traces',
    label: 'Traces',
    icon: 'trace',
    load: () => import('./pages/traces/traces-page.tsx').then((module) => module.TracesPage),
  },
  {
    name: 'services',
    path: '/services',
    label: 'Services',
    icon: 'services',
    load: () => import('./pages/services/services-page.tsx').then((module) => module.ServicesPage),
  },
  {
    name: 'alerts',
    path: '/alerts',
    label: 'Alerts',
    icon: 'alert',
    load: () => import('./pages/alerts/alerts-page.tsx').then((module) => module.AlertsPage),
  },
  {
    name: 'data',
    path: '/data',
    label: 'Data',
    icon: 'data',
    load: () => import('./pages/intake/intake-page.tsx').then((module) => module.IntakePage),
  },
  {
    name: 'cluster',
    path: '/cluster',
    label: 'Cluster',
    icon: 'cluster',
    load: () => import('./pages/cluster/cluster-page.tsx').then((module) => module.ClusterPage),
  },
  {
    name: 'settings',
    path: '/settings',
    label: 'Settings',
    icon: 'settings',
    load: () => import('./pages/settings/settings-page.tsx').then((module) => module.SettingsPage),
  },
]

/** The page of a path's first segment; undefined where there is none. */
export function pageOf(first: string | undefined): PageSpec | undefined {
  return PAGES.find(({ name }) => name === (first ?? 'search'))
}
