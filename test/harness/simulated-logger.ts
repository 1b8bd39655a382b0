import { asWeirError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'

/** Hears every line of a log: its level, its message, its fields, errors as their message. */
export type LogListener = (level: string, message: string, fields: Readonly<Record<string, unknown>>) => void

export function loggerTo(log: LogListener): Logger {
  const at =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      const { error } = fields
      log(level, message, error === undefined ? fields : { ...fields, error: asWeirError(error).message })
    }
  const logger: Logger = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    writes: () => true,
    child: () => logger,
  }
  return logger
}
