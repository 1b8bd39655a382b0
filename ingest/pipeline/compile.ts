import { PIPELINE_SERVICES_MAX, PIPELINE_STEPS_MAX } from '../../base/limits.ts'
import type { OnError, RecordPredicate, Step, StepEnvironment } from './step.ts'
import { STEP_KINDS } from './step-kinds.ts'
import { definitionError, oneOf, StepParameters } from './step-parameters.ts'

/** What users write: `id` is in the path of the API. */
export interface PipelineDefinition {
  readonly description?: string
  /** Names or globs (`*`, `?`) of services; absent: all of the tenant. */
  readonly services?: readonly string[]
  readonly steps: readonly StepDefinition[]
}

export interface StepDefinition {
  readonly type: string
  /** A filter of the query language: the step leaves other records alone. */
  readonly if?: string
  readonly onError?: OnError
  readonly [parameter: string]: unknown
}

export interface CompiledStep {
  readonly type: string
  /** Place in the definition, from 0. */
  readonly number: number
  readonly condition: RecordPredicate | undefined
  readonly onError: OnError
  readonly step: Step
}

export interface CompiledPipeline {
  readonly id: string
  readonly version: number
  /** Whether it is for records of this service; undefined: they name none. */
  takes(service: string | undefined): boolean
  readonly steps: readonly CompiledStep[]
}

const ON_ERROR: readonly OnError[] = ['continue', 'drop', 'deadLetter']
const MEMBERS = ['description', 'services', 'steps']

/**
 * Makes a pipeline of its definition, whatever that is. Throws invalid_parameter with the path of what is wrong (`steps/2/field`), and
 * invalid_query for filters and patterns that do not parse; nothing is ever ignored.
 */
export function compilePipeline(
  id: string,
  version: number,
  definition: PipelineDefinition,
  environment: StepEnvironment,
): CompiledPipeline {
  if (!isObject(definition)) throw definitionError('definition', 'must be an object')
  for (const name of Object.keys(definition)) {
    if (!MEMBERS.includes(name))
      throw definitionError(name, 'is not part of a pipeline', `There are ${oneOf(MEMBERS)}.`)
  }
  const { description, services, steps } = definition as { [name: string]: unknown }
  if (description !== undefined && (typeof description !== 'string' || description.length > 2000))
    throw definitionError('description', 'must be a string of at most 2000 characters')
  if (!Array.isArray(steps) || steps.length > PIPELINE_STEPS_MAX)
    throw definitionError('steps', 'must be a list', `An array of at most ${PIPELINE_STEPS_MAX} steps.`)
  return {
    id,
    version,
    takes: serviceTest(services),
    steps: steps.map((step: unknown, number) => compileStep(step, number, environment)),
  }
}

function compileStep(definition: unknown, number: number, environment: StepEnvironment): CompiledStep {
  const path = `steps/${number}`
  if (!isObject(definition))
    throw definitionError(path, 'must be an object', 'Such as {"type":"remove","fields":["debug"]}.')
  const { type, if: condition, onError, ...rest } = definition
  const kind = typeof type === 'string' ? STEP_KINDS.get(type) : undefined
  if (kind === undefined) {
    const problem = type === undefined ? 'is required' : 'is not a type of steps'
    throw definitionError(`${path}/type`, problem, `One of ${oneOf([...STEP_KINDS.keys()].sort())}.`)
  }
  if (onError !== undefined && !ON_ERROR.includes(onError as OnError))
    throw definitionError(`${path}/onError`, 'is none of its values', `One of ${oneOf(ON_ERROR)}.`)
  if (condition !== undefined && typeof condition !== 'string')
    throw definitionError(`${path}/if`, 'must be a filter', 'Such as "level:error AND service:web".')
  const parameters = new StepParameters(path, rest)
  const step = kind.compile(parameters, environment)
  parameters.finish()
  return {
    type: kind.type,
    number,
    condition: condition === undefined ? undefined : environment.predicate(condition, `${path}/if`),
    onError: (onError as OnError | undefined) ?? kind.onError,
    step,
  }
}

function serviceTest(services: unknown): (service: string | undefined) => boolean {
  if (services === undefined) return () => true
  if (!Array.isArray(services) || services.length === 0 || services.length > PIPELINE_SERVICES_MAX)
    throw definitionError(
      'services',
      'must be a list',
      `An array of 1 to ${PIPELINE_SERVICES_MAX} names or globs; leave it out for all.`,
    )
  const names = new Set<string>()
  const globs: string[] = []
  services.forEach((service: unknown, i) => {
    if (typeof service !== 'string' || service === '' || service.length > 256)
      throw definitionError(`services/${i}`, 'must be a string of 1 to 256 characters')
    if (/[*?]/.test(service)) globs.push(service)
    else names.add(service)
  })
  // Services are few, records many.
  const known = new Map<string, boolean>()
  return (service = '') => {
    let takes = known.get(service)
    if (takes === undefined) {
      takes = names.has(service) || globs.some((glob) => matchesGlob(glob, service))
      if (known.size >= SERVICES_KNOWN_MAX) known.clear()
      known.set(service, takes)
    }
    return takes
  }
}

const SERVICES_KNOWN_MAX = 1000

/** `*`: any run of characters; `?`: one. Linear but for the stars, of which only the last is ever gone back to. */
export function matchesGlob(glob: string, text: string): boolean {
  let g = 0
  let t = 0
  let star = -1
  let from = 0
  while (t < text.length) {
    if (g < glob.length && glob[g] === '*') {
      star = g++
      from = t
    } else if (g < glob.length && (glob[g] === '?' || glob[g] === text[t])) {
      g++
      t++
    } else if (star >= 0) {
      g = star + 1
      t = ++from
    } else return false
  }
  while (glob[g] === '*') g++
  return g === glob.length
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
