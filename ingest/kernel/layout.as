/**
 * The fast path of the scanner, compiled to WebAssembly (AssemblyScript). build.ts puts the parts together: layout, json,
 * record, resolve, append, run.
 *
 * It takes the ordinary record from its bytes into the columns and leaves everything else to the TypeScript path, which
 * works on the same memory: whenever it meets something it does not know (a new path, a fault of any kind) it stops before
 * that record and has changed nothing. So it holds no rule of its own: a record is either written exactly as TypeScript
 * would, or not at all. Three things it asks for in the middle of a record and goes on: the level that a message names, the
 * writer of a service, and the append of a row whose columns need buffers.
 *
 * It allocates nothing. All addresses come from the control block, whose slots are named in kernel-memory.ts.
 */

// Slots of the control block, 4 bytes each; in step with kernel-memory.ts.
const STAMP: usize = 0
const POSITION: usize = 4
const WINDOW_END: usize = 8
const MODE: usize = 12
const LINE: usize = 16
const RECORDS_LEFT: usize = 20
const POSITION_LIMIT: usize = 24
const ACCEPTED: usize = 28
const SCRATCH: usize = 32
const STAGE_PATHS: usize = 36
const STAGE_STARTS: usize = 40
const STAGE_ENDS: usize = 44
const STAGE_TYPES: usize = 48
const PARENTS: usize = 52
const KNOWN: usize = 56
const NEXT: usize = 60
const PATTERN_STARTS: usize = 64
const PATTERN_LENGTHS: usize = 68
const ARENA: usize = 72
const PATH_SLOTS: usize = 76
const PATH_HASHES: usize = 80
const SEEN: usize = 84
const RANKS: usize = 88
const PLACES: usize = 92
const ROUTE_SLOTS: usize = 96
const ROUTE_STARTS: usize = 100
const ROUTE_ENDS: usize = 104
const ROUTE_WRITERS: usize = 108
const ROUTE_NAMES: usize = 112
const OWN_PATHS: usize = 116
const SOURCE_PATHS: usize = 120
const NAME_STARTS: usize = 124
const NAME_ENDS: usize = 128
const LEVEL_STARTS: usize = 132
const LEVEL_ENDS: usize = 136
const LEVEL_TEXT_PATH: usize = 140
const LEVEL_CACHE: usize = 144
const LEVEL_CACHE_COUNT: usize = 148
const SERVICE_DEFAULT_START: usize = 152
const SERVICE_DEFAULT_END: usize = 156
const HOST_DEFAULT_START: usize = 160
const HOST_DEFAULT_END: usize = 164
const LEVEL_FLOOR: usize = 168
const SEED: usize = 172
const DETECTED_LEVEL: usize = 176
const STAGE_COUNT: usize = 180
const RANK_SEVERITY_NUMBER: usize = 184
const CELLS: usize = 188
const DAYS: usize = 192
// The message whose level is asked for, or the service whose writer is.
const ASKED_START: usize = 196
const ASKED_END: usize = 200
const RECORD_START: usize = 204
const RECORD_END: usize = 208
const RECORD_LINES: usize = 212
const PHASE: usize = 216
const ROUTE_ENTRY: usize = 220
const RECEIVED_MS: usize = 224
const OLDEST_MS: usize = 232
const NEWEST_MS: usize = 240
const TIME_MS: usize = 248
const TIME_NS: usize = 256
const HIDDEN_PATHS: usize = 260

// Results of `run`.
const STOPPED: i32 = 0
const DETECT: i32 = 1
const ROUTE: i32 = 2
const APPEND: i32 = 3

// How far the record in the stage has come when `run` is called again.
const PHASE_NONE: i32 = 0
const PHASE_LEVEL: i32 = 1
const PHASE_RESOLVED: i32 = 2
const PHASE_APPENDED: i32 = 3

// Modes.
const MODE_LINES: i32 = 0
const MODE_ARRAY: i32 = 1

// Bounds; in step with base/limits.ts, checked by kernel-memory.ts.
const NESTING_DEPTH_MAX: i32 = 16
const RECORD_FIELDS_MAX: i32 = 256
const VALUE_BYTES_MAX: i32 = 262144
const RECORD_BYTES_MAX: i32 = 1048576
const DICTIONARY_VALUE_BYTES_MAX: i32 = 256
const DICTIONARY_VALUES_MAX: i32 = 255
const PROBES_MAX: i32 = 24
const DICTIONARY_SLOTS: i32 = 512
const PATH_SLOTS_COUNT: i32 = 65536
const ROUTE_SLOTS_COUNT: i32 = 8192
const SLACK_BYTES: i32 = 32
const ROUTE_NAME_BYTES_MAX: i32 = 256

const KNOWN_COUNT: i32 = 7
const KNOWN_TIMESTAMP: i32 = 0
const KNOWN_LEVEL: i32 = 1
const KNOWN_SERVICE: i32 = 2
const KNOWN_MESSAGE: i32 = 3
const KNOWN_HOST: i32 = 4
const RANK_CHOSEN: i32 = 0
const RANK_OWN: i32 = 1
const RANK_NONE: i32 = 255
const RANK_BITS: i32 = 5

const LEVEL_INFO: i32 = 2
const LEVEL_NONE: i32 = -1
const LEVEL_DOUBTFUL: i32 = -2
const DETECT_BYTES_MAX: i32 = 100

const OFFSET_INVALID: i32 = -0x8000

const STRING: i32 = 1
const NUMBER: i32 = 2
const BOOLEAN: i32 = 3
const NULL: i32 = 4
const JSON_TEXT: i32 = 5

// Column block, in step with writer-column.ts.
const COLUMN_ROWS: usize = 0
const COLUMN_ROWS_CAPACITY: usize = 4
const COLUMN_OFFSETS: usize = 8
const COLUMN_BYTES: usize = 12
const COLUMN_BYTES_CAPACITY: usize = 16
const COLUMN_BYTE_LENGTH: usize = 20
const COLUMN_FILLED: usize = 24
const COLUMN_IS_DICTIONARY: usize = 28
const COLUMN_SLOTS: usize = 32
const COLUMN_VALUE_TYPES: usize = 36
const COLUMN_VALUE_OFFSETS: usize = 40
const COLUMN_VALUE_COUNT: usize = 44

// Writer block, in step with column-writer.ts.
const WRITER_ROW_COUNT: usize = 0
const WRITER_ROWS_CAPACITY: usize = 4
const WRITER_TIME_MS: usize = 8
const WRITER_TIME_NS: usize = 12
const WRITER_COLUMNS: usize = 16
const WRITER_COLUMNS_LENGTH: usize = 20
const WRITER_BYTE_SIZE: usize = 24
