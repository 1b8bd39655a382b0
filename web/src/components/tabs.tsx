import { Link } from './link.tsx'

export interface Tab {
  readonly path: string
  readonly label: string
  /** Beside the label. */
  readonly count?: number | undefined
}

/** Parts of a page, each with its own address. */
export function Tabs({
  label,
  tabs,
  shown,
}: {
  readonly label: string
  readonly tabs: readonly Tab[]
  readonly shown: string
}) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => (
        <Link
          key={tab.path}
          to={tab.path}
          class="tab"
          {...(tab.path === shown ? { 'aria-current': 'page' as const } : {})}
        >
          {tab.label}
          {tab.count !== undefined && tab.count > 0 && <span class="dim number">{tab.count}</span>}
        </Link>
      ))}
    </nav>
  )
}
