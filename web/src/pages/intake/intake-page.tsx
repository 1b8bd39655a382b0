import { Tabs } from '../../components/tabs.tsx'
import { segments } from '../../router.ts'
import '../../styles/tables.css'
import { Agents } from './agents.tsx'
import { DeadLetters } from './dead-letters.tsx'
import { Pipelines } from './pipelines.tsx'
import { Uploads } from './uploads.tsx'

const PARTS = [
  { path: '/data/uploads', label: 'Uploads', Part: Uploads },
  { path: '/data/dead-letters', label: 'Dead letters', Part: DeadLetters },
  { path: '/data/pipelines', label: 'Pipelines', Part: Pipelines },
  { path: '/data/agents', label: 'Agents', Part: Agents },
] as const

/** What comes in, and what was refused. */
export function IntakePage() {
  const { path, label, Part } = PARTS.find((part) => part.path === `/data/${segments.value[1] ?? ''}`) ?? PARTS[0]
  return (
    <div class="page-scroll">
      <h1 class="sr-only">Data: {label}</h1>
      <Tabs label="Data" tabs={PARTS} shown={path} />
      <Part />
    </div>
  )
}
