import { createLogger, type LogFields, type Logger, type LogLevel } from '../base/logger.ts'

/** A logger whose level can be changed while it is used. */
export class LevelSwitch {
  readonly logger: Logger
  readonly #fields: LogFields
  #inner: Logger
  #level: LogLevel

  constructor(level: LogLevel, fields: LogFields) {
    this.#level = level
    this.#fields = fields
    this.#inner = createLogger({ level, fields })
    this.logger = {
      trace: (message, more) => this.#inner.trace(message, more),
      debug: (message, more) => this.#inner.debug(message, more),
      info: (message, more) => this.#inner.info(message, more),
      warn: (message, more) => this.#inner.warn(message, more),
      error: (message, more) => this.#inner.error(message, more),
      fatal: (message, more) => this.#inner.fatal(message, more),
      writes: (asked) => this.#inner.writes(asked),
      child: (component, more) => this.#inner.child(component, more),
    }
  }

  set(level: LogLevel): void {
    if (level === this.#level) return
    this.#level = level
    this.#inner = createLogger({ level, fields: this.#fields })
  }
}
