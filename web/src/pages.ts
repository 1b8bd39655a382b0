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
]

/** The page of a path's first segment; undefined where there is none. */
export function pageOf(first: string | undefined): PageSpec | undefined {
  return PAGES.find(({ name }) => name === (first ?? 'search'))
}
