/**
 * Why a record is refused, by stable code. `deadLetter` says whether the record is kept with its reason; a record that
 * was refused for want of capacity is the sender's to send again, so keeping it would store it twice.
 */
export const REJECT_CATALOGUE = {
  empty_body: { deadLetter: false, title: 'The body holds no record' },
  invalid_json: { deadLetter: true, title: 'The record is not valid JSON' },
  invalid_utf8: { deadLetter: true, title: 'The record is not valid UTF-8' },
  not_an_object: { deadLetter: true, title: 'The record is JSON, but not an object' },
  invalid_record: { deadLetter: true, title: 'The record is not what its protocol says that records are' },
  unsupported_action: { deadLetter: false, title: 'Records are only added: none is changed or deleted' },
  invalid_envelope: { deadLetter: true, title: 'An envelope {"logs":[…]} has no other member than "logs"' },
  record_too_large: { deadLetter: true, title: 'The record is longer than a record may be' },
  value_too_large: { deadLetter: true, title: 'A value is longer than a value may be' },
  too_many_fields: { deadLetter: true, title: 'The record has more fields than a record may have' },
  nesting_too_deep: { deadLetter: true, title: 'Objects and arrays are nested deeper than they may be' },
  path_too_long: { deadLetter: true, title: 'The keys of a field are longer than a path may be' },
  invalid_timestamp: { deadLetter: true, title: 'The timestamp has no form that is understood' },
  timestamp_out_of_range: { deadLetter: true, title: 'The timestamp is older than retention or too far ahead' },
  pipeline_failed: { deadLetter: true, title: 'A step of a pipeline failed on the record' },
  overloaded: { deadLetter: false, title: 'The node sheds records of this level under pressure; send it again later' },
} as const satisfies Record<string, { deadLetter: boolean; title: string }>

export type RejectCode = keyof typeof REJECT_CATALOGUE

/** One record that was refused, and where its bytes stand in the request. */
export interface RecordRejection {
  /** 0-based number of the record in the request. */
  readonly index: number
  /** 1-based line of the request; 0 where records are not lines. */
  readonly line: number
  readonly code: RejectCode
  /** One sentence in plain English, naming the place where there is one. */
  readonly reason: string
  /** The record's own bytes are body[start, end). */
  readonly start: number
  readonly end: number
}
