/** Exit statuses of the process; the numbers above 2 are those of sysexits.h. */
export const EXIT_OK = 0
/** Something failed that nobody expected, or a drain did not finish in time. */
export const EXIT_FAILED = 1
export const EXIT_USAGE = 64
export const EXIT_CONFIG = 78

/** The shell's convention for a process that a signal ended. */
export function exitStatusOfSignal(signal: 'SIGINT' | 'SIGTERM'): number {
  return 128 + (signal === 'SIGINT' ? 2 : 15)
}
