import type { StepKind } from './step.ts'
import { CONTAINER_STEPS } from './step-container.ts'
import { convertStep } from './step-convert.ts'
import { removeStep, renameStep, setStep } from './step-fields.ts'
import { multilineStep } from './step-multiline.ts'
import { PARSE_STEPS } from './step-parse.ts'
import { dropStep, filterStep, routeStep } from './step-route.ts'

/** Every type of steps, by the name that definitions give it. */
export const STEP_KINDS: ReadonlyMap<string, StepKind> = new Map(
  [
    ...[setStep, renameStep, removeStep, convertStep],
    ...PARSE_STEPS,
    ...CONTAINER_STEPS,
    multilineStep,
    ...[filterStep, dropStep, routeStep],
  ].map((kind) => [kind.type, kind]),
)
