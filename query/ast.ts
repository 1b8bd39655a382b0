/** The syntax tree of the query language. Every front end (ours, LogQL, Elasticsearch DSL) makes this. */

/** Half-open place in the query text, UTF-16 code units. */
export interface Span {
  readonly start: number
  readonly end: number
}

export type Filter =
  | { readonly kind: 'all' }
  | { readonly kind: 'and'; readonly of: readonly Filter[] }
  | { readonly kind: 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  /** Text looked for by tokens; in every field, or in one. */
  | { readonly kind: 'text'; readonly field: string | null; readonly match: TextMatch }
  /** The whole value of one field. */
  | { readonly kind: 'field'; readonly field: string; readonly match: ValueMatch }
  | { readonly kind: 'exists'; readonly field: string }

/**
 * Tokens are folded (base/tokenizer.ts). A `phrase` holds one token or several that must follow each other in one value. A
 * `tokenPattern` sequence is the same where some tokens carry wildcards. A regex is matched against the value's text.
 */
export type TextMatch =
  | { readonly kind: 'phrase'; readonly tokens: readonly string[] }
  | { readonly kind: 'tokenPattern'; readonly tokens: readonly TokenPattern[] }
  | { readonly kind: 'fuzzy'; readonly token: string; readonly distance: 1 | 2 }
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string }

/** A token with wildcards: literal pieces around `*` (any run within the token) and `?` (one character). */
export interface TokenPattern {
  /** As written, folded, with `*` and `?`; a literal token has none. */
  readonly pattern: string
  readonly literal: boolean
}

/** Fields are canonical paths (base/columns.ts) of a column, API names resolved by the parser (`metadata.x` stays `metadata.x`). */
export type ValueMatch =
  /** Text equal (case-sensitively; `level` and booleans not), or, where `number` is set, numerically equal to a number value. */
  | { readonly kind: 'equal'; readonly text: string; readonly number: number | null }
  /** `*` and `?` over the whole value; `\*`, `\?` and `\\` are the characters. Case-sensitive but for level. */
  | { readonly kind: 'wildcard'; readonly pattern: string }
  /** Must match the whole value. */
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string }
  /** Numeric range; missing ends are infinite. Values that are not numbers do not match. */
  | {
      readonly kind: 'range'
      readonly min: number
      readonly minInclusive: boolean
      readonly max: number
      readonly maxInclusive: boolean
    }
  /** Text range by code point order, for ends that are not numbers. */
  | {
      readonly kind: 'textRange'
      readonly min: string | null
      readonly minInclusive: boolean
      readonly max: string | null
      readonly maxInclusive: boolean
    }
  /** The record's time within [fromMs, toMs] by milliseconds with the nanoseconds of each end; field is `timestamp`. */
  | {
      readonly kind: 'timeRange'
      readonly fromMs: number
      readonly fromNs: number
      readonly fromInclusive: boolean
      readonly toMs: number
      readonly toNs: number
      readonly toInclusive: boolean
    }

export interface Query {
  readonly text: string
  readonly filter: Filter
  readonly pipes: readonly Pipe[]
}

export type MetricName = 'count' | 'sum' | 'avg' | 'min' | 'max' | 'quantile' | 'uniq'

export interface Metric {
  readonly name: MetricName
  /** null for count(). */
  readonly field: string | null
  /** For quantile: 0.95 of p95; else null. */
  readonly quantile: number | null
  /** Column of the result: given by `as`, else `count`, `p95_latency_ms`. */
  readonly as: string
}

/** One key to group by: a field's value, or the start of the time bucket. */
export type GroupKey =
  | { readonly kind: 'field'; readonly field: string; readonly as: string }
  | { readonly kind: 'bucket'; readonly widthMs: number; readonly as: string }

export type Pipe = { readonly span: Span } & (
  | { readonly kind: 'stats'; readonly metrics: readonly Metric[]; readonly by: readonly GroupKey[] }
  | { readonly kind: 'where'; readonly condition: Condition }
  | { readonly kind: 'sort'; readonly keys: readonly { readonly field: string; readonly descending: boolean }[] }
  | { readonly kind: 'limit'; readonly count: number }
  /** `parse "user=<user> bytes=<n>"`: literal pieces around captures; `from` defaults to message. `<_>` captures nothing. */
  | {
      readonly kind: 'parse'
      readonly from: string
      readonly literals: readonly string[]
      readonly captures: readonly (string | null)[]
    }
  | { readonly kind: 'fields'; readonly fields: readonly string[] }
  | { readonly kind: 'dedup'; readonly fields: readonly string[] }
  | { readonly kind: 'top'; readonly count: number; readonly fields: readonly string[] }
  /** Records per second in buckets of this width. */
  | { readonly kind: 'rate'; readonly widthMs: number }
)

/** Condition of `where`, over columns of a table or fields of a row. */
export type Condition =
  | { readonly kind: 'and'; readonly of: readonly Condition[] }
  | { readonly kind: 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | {
      readonly kind: 'compare'
      readonly field: string
      readonly operator: '=' | '!=' | '>' | '>=' | '<' | '<='
      readonly value: string | number | boolean | null
    }
