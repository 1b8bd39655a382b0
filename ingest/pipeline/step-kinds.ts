import type { StepKind } from './step.ts'
import { CONTAINER_STEPS } from './step-container.ts'
import { convertStep } from './step-convert.ts'
import { dedupStep } from './step-dedup.ts'
import { removeStep, renameStep, setStep } from './step-fields.ts'
import { geoipStep } from './step-geoip.ts'
import { addLabelsStep } from './step-labels.ts'
import { levelStep } from './step-level.ts'
import { lookupStep } from './step-lookup.ts'
import { maskStep } from './step-mask.ts'
import { multilineStep } from './step-multiline.ts'
import { PARSE_STEPS } from './step-parse.ts'
import { dropStep, filterStep, routeStep } from './step-route.ts'
import { sampleStep } from './step-sample.ts'
import { timestampStep } from './step-timestamp.ts'
import { userAgentStep } from './step-user-agent.ts'

const KINDS: readonly StepKind[] = [
  setStep,
  renameStep,
  removeStep,
  convertStep,
  ...PARSE_STEPS,
  ...CONTAINER_STEPS,
  multilineStep,
  timestampStep,
  levelStep,
  addLabelsStep,
  lookupStep,
  userAgentStep,
  geoipStep,
  sampleStep,
  dedupStep,
  filterStep,
  dropStep,
  routeStep,
  maskStep,
]

/** Every type of steps, by the name that definitions give it. */
export const STEP_KINDS: ReadonlyMap<string, StepKind> = new Map(KINDS.map((kind) => [kind.type, kind]))
