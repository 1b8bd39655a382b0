/**
 * What a block must contain for any of its rows to match a filter: the part of the filter that indexes can answer.
 * It may only err on the side of too much (S5): a block that it refuses holds no match.
 */
export type PruneExpr =
  /** Says nothing: every block may match. */
  | { readonly kind: 'any' }
  /** No block can match. */
  | { readonly kind: 'none' }
  | { readonly kind: 'and'; readonly of: readonly PruneExpr[] }
  | { readonly kind: 'or'; readonly of: readonly PruneExpr[] }
  /** Some field holds this token (folded, as base/tokenizer.ts makes it). */
  | { readonly kind: 'token'; readonly token: string }
  /** Some field holds a token that begins with `prefix` (folded). */
  | { readonly kind: 'tokenPrefix'; readonly prefix: string }
  /** Some field holds a token within edit distance `distance` of `token` (folded). */
  | { readonly kind: 'fuzzyToken'; readonly token: string; readonly distance: number }
  /** Field `field` (canonical path) has a value of exactly this text (not numeric comparison). */
  | { readonly kind: 'value'; readonly field: string; readonly value: string }
  /** Field `field` has a numeric value in [min, max] (infinite: open). */
  | { readonly kind: 'range'; readonly field: string; readonly min: number; readonly max: number }
  /** Field `field` is there. */
  | { readonly kind: 'exists'; readonly field: string }
