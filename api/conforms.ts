import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/** A check whether a value, such as another node's answer, has the shape that the contract promises. */
export function conformsTo<T extends TSchema>(schema: T): (value: unknown) => value is Static<T> {
  const validator = Compile(schema)
  return (value): value is Static<T> => validator.Check(value)
}
