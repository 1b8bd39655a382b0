import type { StepKind } from './step.ts'
import { convertStep } from './step-convert.ts'
import { removeStep, renameStep, setStep } from './step-fields.ts'

/** Every type of steps, by the name that definitions give it. */
export const STEP_KINDS: ReadonlyMap<string, StepKind> = new Map(
  [setStep, renameStep, removeStep, convertStep].map((kind) => [kind.type, kind]),
)
