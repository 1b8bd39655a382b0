/**
 * Assertions for programmer errors. They stay on in production: a broken invariant must stop the actor that
 * noticed it rather than reach a disk. Operating errors (bad input, full disk, absent peer) are WeirErrors.
 */
class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws an AssertionError when `condition` is false; `what` states the fact that should have held. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(what)
}

/** Returns `value`, which is known to be there; throws an AssertionError when it is null or undefined. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionError(`${what} is missing`)
  return value
}

/** For the default branch of a switch over a closed union. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
