import { Tabs } from '../../components/tabs.tsx'
import { segments } from '../../router.ts'
import '../../styles/tables.css'
import './alerts-page.css'
import { Channels } from './channels.tsx'
import { Events } from './events.tsx'
import { RuleEditor } from './rule-editor.tsx'
import { Rules } from './rules.tsx'
import { Silences } from './silences.tsx'

const PARTS = [
  { path: '/alerts/events', label: 'Events', Part: Events },
  { path: '/alerts/rules', label: 'Rules', Part: Rules },
  { path: '/alerts/silences', label: 'Silences', Part: Silences },
  { path: '/alerts/channels', label: 'Channels', Part: Channels },
] as const

/** What has fired, the rules, and when nobody is to be notified. */
export function AlertsPage() {
  const [, part, id] = segments.value
  const { path, label, Part } = PARTS.find((known) => known.path === `/alerts/${part ?? ''}`) ?? PARTS[0]
  return (
    <div class="page-scroll">
      <h1 class="sr-only">Alerts: {label}</h1>
      <Tabs label="Alerts" tabs={PARTS} shown={path} />
      {part === 'rules' && id !== undefined ? <RuleEditor key={id} id={id} /> : <Part />}
    </div>
  )
}
