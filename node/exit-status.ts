/** Exit statuses of `weir`, in all its commands; docs/cli.md lists them. */
export const EXIT_OK = 0
/** Something failed that nobody expected, or a drain did not finish in time. */
export const EXIT_FAILED = 1
/** The command line is wrong. */
export const EXIT_USAGE = 2
/** Nothing was found, where --fail-empty asks for something. */
export const EXIT_EMPTY = 3
/** What was printed is not all: the answer says that something did not answer. */
export const EXIT_INCOMPLETE = 4
/** The node asks for a key, or the key may not do this. */
export const EXIT_UNAUTHORISED = 5
/** No node answers there, or it broke off. */
export const EXIT_UNREACHABLE = 6
/** The settings of a node are not valid; the number is that of sysexits.h. */
export const EXIT_CONFIG = 78

/** The shell's convention for a process that a signal ended. */
export function exitStatusOfSignal(signal: 'SIGINT' | 'SIGTERM'): number {
  return 128 + (signal === 'SIGINT' ? 2 : 15)
}
