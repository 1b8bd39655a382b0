import { type DestinationStream, destination, type Logger as PinoLogger, pino } from 'pino'
import { WeirError } from './errors.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export type LogFields = Readonly<Record<string, unknown>>

/** Structured logs of our own: one JSON line an event. An error goes under the field `error`. */
export interface Logger {
  trace(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  fatal(message: string, fields?: LogFields): void
  /** True when lines of this level are written; for fields that are dear to make. */
  writes(level: LogLevel): boolean
  /** A logger that adds `component` and `fields` to each line. */
  child(component: string, fields?: LogFields): Logger
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** Added to every line, such as the node and the thread. */
  readonly fields?: LogFields
  /** Where lines go; default standard error (standard output carries the ready line alone). */
  readonly write?: (line: string) => void
}

/**
 * Writes are synchronous, so that the last line before an exit or a crash is not lost; worker threads write to the same descriptor
 * themselves. Logs of our own are rare events, never one a record.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { write } = options
  const stream: DestinationStream = write ? { write } : destination({ fd: 2, sync: true })
  return wrap(
    pino(
      {
        level: options.level,
        base: options.fields ?? {},
        messageKey: 'message',
        timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
        formatters: { level: (label) => ({ level: label.toUpperCase() }) },
        serializers: { error: errorFields },
      },
      stream,
    ),
  )
}

/** Writes nothing. */
export const silentLogger: Logger = {
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  writes: () => false,
  child: () => silentLogger,
}

function wrap(inner: PinoLogger): Logger {
  return {
    trace: (message, fields) => inner.trace(fields ?? NO_FIELDS, message),
    debug: (message, fields) => inner.debug(fields ?? NO_FIELDS, message),
    info: (message, fields) => inner.info(fields ?? NO_FIELDS, message),
    warn: (message, fields) => inner.warn(fields ?? NO_FIELDS, message),
    error: (message, fields) => inner.error(fields ?? NO_FIELDS, message),
    fatal: (message, fields) => inner.fatal(fields ?? NO_FIELDS, message),
    writes: (level) => level !== 'silent' && inner.isLevelEnabled(level),
    child: (component, fields) => wrap(inner.child({ component, ...fields })),
  }
}

const NO_FIELDS: LogFields = {}

/** Operating errors by their code and facts; a stack only where a programmer must look. */
function errorFields(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const cause = error.cause === undefined ? {} : { cause: errorFields(error.cause) }
  if (error instanceof WeirError && error.code !== 'internal') {
    return { code: error.code, message: error.message, details: error.details, ...cause }
  }
  return { type: error.name, message: error.message, stack: error.stack, ...cause }
}
