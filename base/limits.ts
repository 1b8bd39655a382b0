import { assert } from './assert.ts'

/** Every bound of the system, with its reason. Sizes in bytes, times in milliseconds, unless the name says otherwise. */

const KIB = 1024
const MIB = 1024 * KIB

// --- a record -------------------------------------------------------------------------------------------------

/** Longer lines are almost always binary dumps; the journal's message limit must hold two of these (J4). */
export const RECORD_BYTES_MAX = 1 * MIB
export const VALUE_BYTES_MAX = 256 * KIB
export const RECORD_FIELDS_MAX = 256
export const NESTING_DEPTH_MAX = 16
/** Longest field path, in bytes of its canonical form. */
export const PATH_BYTES_MAX = 1 * KIB
/** A longer service, host or level is not listed with its block, which is looked into whatever is asked for. */
export const DIMENSION_BYTES_MAX = 1 * KIB
/** D5: further ahead is a wrong clock, not a late record. */
export const FUTURE_MAX_MS = 24 * 3600 * 1000

// --- a request ------------------------------------------------------------------------------------------------

export const BODY_BYTES_MAX = 64 * MIB
/** After decompression: bounds a zip bomb. */
export const BODY_INFLATED_BYTES_MAX = 256 * MIB
/** Of a body whose credential is in it: nobody knows yet whose it is. */
export const UNKNOWN_BODY_BYTES_MAX = 4 * MIB
/** Such bodies that a worker reads at once. */
export const UNKNOWN_BODIES_MAX = 8
/** Rejected records listed one by one in a response; the count is always exact. */
export const REJECTS_LISTED_MAX = 1000
/** X1: bytes of a rejected record kept in the dead letters. */
export const DEAD_LETTER_RAW_BYTES_MAX = 64 * KIB
/** D3: a request is cut into chunks at fixed places of its body, so that a retry is cut alike. */
export const CHUNK_ROWS_MAX = 8192
export const CHUNK_BYTES_MAX = 1 * MIB
/** Of a request of another protocol than ours: bounds what is remembered and answered about single records. */
export const DECODED_RECORDS_MAX = 1_000_000
/** T2: bytes read and written by a decoder between two pauses; about a millisecond. */
export const DECODE_SLICE_BYTES = 1 * MIB
/** Dead letters that one page looks through for some that have not been replayed. */
export const DEAD_LETTERS_PASSED_MAX = 10_000
/** Dead letters that one request replays. */
export const REPLAY_LETTERS_MAX = 1000
/** Dead letters of one chunk; only a sender who packs little into much meets it, and then they are cut short. */
export const DEAD_LETTERS_CHUNK_BYTES_MAX = 2 * MIB

// --- pipelines ------------------------------------------------------------------------------------------------

/** Far more than anybody reads. */
export const PIPELINE_STEPS_MAX = 1000
export const PIPELINE_SERVICES_MAX = 1000
export const PIPELINES_PER_TENANT_MAX = 100
/** A definition as JSON. */
export const PIPELINE_DEFINITION_BYTES_MAX = 256 * KIB
export const PIPELINE_VERSIONS_KEPT = 50
/** Samples of one dry run. */
export const PIPELINE_SAMPLES_MAX = 100
/** The answer of a dry run: of every step, the record before and after it. */
export const PIPELINE_DRY_RUN_BYTES_MAX = 16 * MIB
/** T2: records pass steps for so long before others have their turn. */
export const PIPELINE_SLICE_MS = 4

// --- HTTP -----------------------------------------------------------------------------------------------------

/** A query of QUERY_TEXT_BYTES_MAX fits the URL, percent-encoded, beside the other headers. */
export const HTTP_HEADERS_BYTES_MAX = 64 * KIB
/** Bodies that hold parameters (POST search, keys), not records. */
export const HTTP_PARAMETERS_BYTES_MAX = 1 * MIB
/** Slow senders: time for all headers, for the whole request, and without a single byte of the body. */
export const HTTP_HEADERS_TIMEOUT_MS = 15_000
export const HTTP_REQUEST_TIMEOUT_MS = 300_000
export const HTTP_BODY_IDLE_MAX_MS = 20_000
/** Longer than the 60 s that load balancers keep a connection, so that they close it first. */
export const HTTP_KEEP_ALIVE_MS = 65_000
/** A refused body is read and thrown away for this long and this far, so that the answer is not lost to a reset. */
export const HTTP_LINGER_MS = 2000
export const HTTP_LINGER_BYTES_MAX = 64 * MIB
/** Requests in progress get this long when the server closes. */
export const HTTP_CLOSE_GRACE_MS = 5000
/** Steps in which bytes of a body are taken out of the budget in flight. */
export const ADMISSION_STEP_BYTES = 256 * KIB
/** Concatenated compressed frames of one body; each costs a decompressor. */
export const COMPRESSED_FRAMES_MAX = 1000
/** Buffers kept per thread for the next bodies; larger ones are too rare to keep. */
export const BODY_POOL_BYTES_MAX = 32 * MIB
export const BODY_POOLED_BYTES_MAX = 8 * MIB
/** Received bytes after which the young generation of the thread is collected (base/young-collection.ts). */
export const YOUNG_COLLECTION_BYTES = 8 * MIB
/** Longest wait of one poll of a tail. */
export const TAIL_WAIT_MAX_MS = 60_000
/** Buckets of one histogram. */
export const HISTOGRAM_BUCKETS_MAX = 10_000

// --- live tails ------------------------------------------------------------------------------------------------

/** What is applied within so long is matched together, so that many small frames cost no more than a large one; longer while the thread is busy. */
export const TAIL_WINDOW_MS = 50
export const TAIL_WINDOW_MAX_MS = 200
/** A window lasts so many times as long as the matching of the last one took: a busy thread matches less often, and more at once. */
export const TAIL_WINDOW_REST = 4
/** A filter that has taken so long for one table so often is followed no more: it would hold up all others of its thread. */
export const TAIL_FILTER_SLOW_MS = 200
export const TAIL_FILTER_SLOW_MAX = 3
/** Rows that are matched as one table, and its columns. */
export const TAIL_TABLE_ROWS_MAX = 8192
export const TAIL_TABLE_COLUMNS_MAX = 400
/** Of one hub at one feed, records that wait to be collected, as JSON; and of one follow among them. More are dropped and counted. */
export const TAIL_SESSION_BYTES_MAX = 8 * MIB
export const TAIL_FOLLOW_BYTES_MAX = 2 * MIB
/** One poll of a hub for what its follows have; and after so long without one a feed forgets the hub. */
export const TAIL_COLLECT_WAIT_MS = 5000
export const TAIL_SESSION_SILENCE_MAX_MS = 20_000
/** Records for clients are gathered for so long, so that those of several shards come in order. */
export const TAIL_DELIVERY_MS = 50
/** Records of one tail that wait while it catches up; what is beyond is read from the shards again. */
export const TAIL_HELD_BYTES_MAX = 1 * MIB
/** A tail that catches up reads so many records at a time. */
export const TAIL_CATCH_UP_ROWS = 500
/** Tails of one worker that read from the shards at once. */
export const TAIL_CATCH_UPS_AT_ONCE = 4
/** What a client may leave unread, beside what the operating system buffers; what comes then is dropped and counted. */
export const TAIL_CLIENT_BYTES_MAX = 1 * MIB
/** A client that has taken nothing for so long is cut off; it then has so long to read why. */
export const TAIL_STALLED_MAX_MS = 20_000
export const TAIL_FAREWELL_MS = 3000
/** Shorter than the 60 s after which load balancers give up on a silent connection. */
export const TAIL_HEARTBEAT_MS = 15_000
/** A cursor of 32 shards takes about 1 KB; after an abrupt end up to so long is repeated. */
export const TAIL_CURSOR_EVERY_MS = 250
/** Records with which a tail begins. */
export const TAIL_LAST_DEFAULT = 10
export const TAIL_LAST_MAX = 1000
/** A message of a client: a query of QUERY_TEXT_BYTES_MAX and a cursor fit. */
export const TAIL_MESSAGE_BYTES_MAX = 128 * KIB
/** Messages of one client that wait for those before them. */
export const TAIL_MESSAGES_WAITING_MAX = 16
/** A connection without a subscription is ended after so long. */
export const TAIL_SILENT_MAX_MS = 30_000

// --- uploads --------------------------------------------------------------------------------------------------

/** An upload is kept in objects of this size; a node holds few of them at a time, whatever the size of the upload. */
export const UPLOAD_PART_BYTES = 4 * MIB
/** Parts of one upload on their way to the object store while the next is filled. */
export const UPLOAD_PARTS_IN_FLIGHT = 2
/** Uploads that one worker takes in at once. */
export const UPLOADS_AT_ONCE = 4
export const UPLOAD_FILES_MAX = 100
/** Of the name of a file, in characters; longer ones are cut. */
export const UPLOAD_NAME_CHARS_MAX = 255
/** Beginning of a file by which its format is told; the header row of CSV must fit. */
export const UPLOAD_HEAD_BYTES = 64 * KIB
/** A job ingests its files in requests of about this size: one chunk, so that live requests need not wait long for their turn. */
export const UPLOAD_PIECE_BYTES = 1 * MIB - 4 * KIB
/** Pieces of a job that are being ingested. */
export const UPLOAD_PIECES_IN_FLIGHT = 6
/** Where no end of a damaged value of JSON or CSV comes within so much, there is none. */
export const UPLOAD_SKIP_BYTES_MAX = 64 * MIB
/** Rejects of a job that are listed one by one; the count is always exact. */
export const UPLOAD_REJECTS_LISTED_MAX = 10_000
/** Of one object that lists rejects, and of one answer. */
export const UPLOAD_REJECTS_PAGE = 1000
/** Rejects that the state of a job shows. */
export const UPLOAD_REJECTS_SHOWN = 10
/** How often a job writes down how far it is, and an upload that it still comes. */
export const UPLOAD_BEAT_MS = 1000
/** Another worker takes over a job that has not said anything for so long: longer than an election of NATS and a tired disk take. */
export const UPLOAD_SILENCE_MAX_MS = 15_000
/** An upload that comes in is given up after so long: nothing waits for its room, and its sender would have to begin again. */
export const UPLOAD_INTAKE_SILENCE_MAX_MS = 60_000
/** For so long the last word of an upload is tried where the registry is away: longer than an election of NATS. */
export const UPLOAD_FINISH_PATIENCE_MS = 30_000
/** Ended jobs of one tenant that are kept, the newest. */
export const UPLOADS_KEPT_MAX = 200

// --- the journal ----------------------------------------------------------------------------------------------

/** J2: the next frame gathers while one is unacknowledged, at least until this many bytes or FRAME_LINGER_MS. */
export const FRAME_BYTES_TARGET = 512 * KIB
export const FRAME_LINGER_MS = 5
/** A frame is one journal message; one chunk may overshoot the target. */
export const FRAME_BYTES_MAX = 6 * MIB
export const JOURNAL_MESSAGE_BYTES_MAX = 8 * MIB
/** What NATS counts beside the frame: the headers of a message. */
export const JOURNAL_HEADER_BYTES_MAX = 1 * KIB
/** Directory entries are small; this only keeps a count within its 16 bits. */
export const FRAME_SECTIONS_MAX = 0xffff
/** Sections of a frame that are compressed together: beginning costs as much as this many bytes; and one slice stays short (T2). */
export const FRAME_GROUP_BYTES_MIN = 16 * KIB
export const FRAME_GROUP_BYTES_MAX = 512 * KIB
/** What a group may say that it inflates to: one section may be larger than the bytes that were sent. */
export const FRAME_GROUP_CONTENT_BYTES_MAX = 64 * MIB
/** Frames one thread may have handed to the journal without an answer; J2 keeps it far below. */
export const JOURNAL_IN_FLIGHT_BYTES_MAX = 64 * MIB
/** Frames handed to a reader in memory before it falls back to reading them from the disk. */
export const JOURNAL_HANDOVER_BYTES_MAX = 16 * MIB
/** One commit of the journal; what waits beyond it goes into the next. */
export const JOURNAL_COMMIT_BYTES_MAX = 8 * MIB
/** Frames removed by one commit, so that a long trim does not stall appends. */
export const JOURNAL_TRIM_FRAMES_MAX = 256
/** D2: newest frames whose ids are remembered; a resend comes within seconds. */
export const JOURNAL_DEDUPE_FRAMES_MAX = 4096

// --- the registry ---------------------------------------------------------------------------------------------

/** LMDB keys hold at most 1,978 bytes. */
export const REGISTRY_KEY_BYTES_MAX = 512
export const REGISTRY_VALUE_BYTES_MAX = 1 * MIB
/** A call of the registry of a cluster is tried for this long: the election of a leader takes 4 to 9 s. */
export const REGISTRY_WAIT_MS = 15_000
/** Without an answer for this long, a call is repeated: the server that it waits for may be gone. */
export const REGISTRY_ATTEMPT_MS = 1500
/** How long NATS knows the id of a write, and so takes its repeats for one. */
export const REGISTRY_DEDUPE_MS = 120_000
/** Writes whose outcome is not known; each keeps its value. */
export const REGISTRY_UNANSWERED_MAX = 64

// --- the cluster ----------------------------------------------------------------------------------------------

/** C6: no node holds more than this times its weighted mean of the shards, rounded up. */
export const RING_EXCESS_MAX = 1.1
/** C6: of its weighted mean of the shards a node owns at least this much, rounded down: a bound from above alone left one of five nodes with 1 of 32. */
export const RING_SHORTFALL_MAX = 0.9
/** Ketama's 40 hashes, each of four points, for a node of weight 1. */
export const RING_POINTS_PER_WEIGHT = 40
/** Keeps the ring of a hundred nodes within milliseconds to build. */
export const MEMBER_WEIGHT_MAX = 16
/** C1: every node says twice a second that it lives, and is dead after six times of silence. */
export const HEARTBEAT_EVERY_MS = 500
export const SILENCE_MAX_MS = 3000
/** C1: after a disturbance of the messaging everybody gets this long: clients find another server within a second or two. */
export const DISTURBANCE_GRACE_MS = 5000
/** A node that starts has heard three heartbeats of every other when it says who is there. */
export const SETTLE_MS = 1500
/** Without its own heartbeats for so long, a node does not judge others by their silence. */
export const DEAF_AFTER_MS = 1250
/** T2: a worker whose event loop has not turned for so long is called stuck. */
export const WORKER_STUCK_MS = 10_000
/** Heartbeats of a node that has said goodbye are no longer under way after this. */
export const DEPARTED_KEEP_MS = 60_000
/** A heartbeat of a node with 64 workers takes under 2 KiB. */
export const HEARTBEAT_BYTES_MAX = 16 * KIB
export const MEMBER_NAME_CHARS_MAX = 512
/** Of one node; far beyond the cores of today's machines. */
export const WORKERS_MAX = 256
/** Two heartbeats a second of each to each: beyond this they would be a load of their own. */
export const MEMBERS_MAX = 1000

// --- messages between nodes -----------------------------------------------------------------------------------

/** A message or an answer; above QUERY_RESULT_BYTES_MAX, so that a leaf says that its answer is too large, and not the way back. */
export const NODE_MESSAGE_BYTES_MAX = 96 * MIB
/** Questions that one thread may have asked of one node without an answer, and the bytes of these questions. */
export const NODE_ASKS_MAX = 4096
export const NODE_ASKED_BYTES_MAX = 128 * MIB
/** Questions of all other nodes that one thread may be answering. */
export const NODE_ANSWERING_MAX = 4096
/** A question or an answer of the transport. */
export const TRANSPORT_PAYLOAD_BYTES_MAX = 96 * MIB
/** What goes to several subscribers at once: a publication, or a question to many. It is one message. */
export const TRANSPORT_MESSAGE_BYTES_MAX = 1 * MIB
/** Larger questions and answers are announced, and go in pieces of this size: 250 that come at once fit what a server keeps for a client, 64 MB. */
export const TRANSPORT_PIECE_BYTES = 256 * KIB
/**
 * Bytes of one transfer that its receiver lets be under way, and transfers that it lets run; more wait their turn. All windows together pass
 * within a second at 100 Mbit/s: heartbeats and the pongs of the server come behind them.
 */
export const TRANSPORT_WINDOW_BYTES = 1 * MIB
export const TRANSPORT_TRANSFERS_MAX = 8
export const TRANSPORT_TRANSFERS_WAITING_MAX = 4096
/** What the transfers that one thread receives may come to, from all and from one peer. */
export const TRANSPORT_RECEIVING_BYTES_MAX = 256 * MIB
export const TRANSPORT_PEER_BYTES_MAX = 128 * MIB
/** Large answers of one thread that wait to be taken. */
export const TRANSPORT_HELD_BYTES_MAX = 256 * MIB
/** Who works on a question for longer says so this often. After this many without a sign the question fails. */
export const TRANSPORT_CHECK_MS = 1000
export const TRANSPORT_SILENT_CHECKS_MAX = 3
/** A question waits so long for the connection to come back. */
export const TRANSPORT_CONNECT_MS = 2000

// --- hot services ---------------------------------------------------------------------------------------------

/** From hearing that a service has more slots until rows are dealt to them: others have heard of it by then, or know that they hear nothing. */
export const SPREAD_SETTLE_MS = 10_000
/** A thread that has not read the spread for so long asks all shards. */
export const SPREAD_QUERY_SILENCE_MAX_MS = 5000
/** D3: from writing a spread until keys are dealt by it. */
export const SPREAD_KEY_LEAD_MS = 120_000
/** A thread that has not read the spread for so long refuses requests whose key has a time. */
export const SPREAD_KEY_SILENCE_MAX_MS = 45_000
/** How far clocks of senders and nodes may differ, so that no retry misses its first attempt. */
export const SPREAD_SKEW_MAX_MS = 60_000
/** Far beyond what one service can need; of as many slots a tail knows its place before they are used. */
export const SPREAD_SLOTS_MAX = 64
/** The entry that names all services with more than one slot, a few thousand; each thread reads it every two seconds. */
export const SPREAD_BYTES_MAX = 256 * KIB

// --- storage --------------------------------------------------------------------------------------------------

/** Rows of a block: small enough that a query opens little, large enough that columns compress. */
export const BLOCK_ROWS_MAX = 8192
export const BLOCK_BYTES_MAX = 2 * MIB
export const HEAD_AGE_MAX_MS = 30_000
/** S4: all heads of a worker together. */
export const HEADS_BYTES_MAX = 64 * MIB
/** S4: further fields share one overflow column. */
export const BLOCK_COLUMNS_MAX = 1000
/** Dictionary columns hold at most this many distinct values; code 0 means absent. */
export const DICTIONARY_VALUES_MAX = 255
/** S3: no row stays unpublished for longer. */
export const UNPUBLISHED_AGE_MAX_MS = 120_000
export const UNPUBLISHED_BYTES_MAX = 16 * MIB
/** Segments are made no larger than about this; what has piled up while the object store was away becomes several. Merges make larger ones. */
export const PUBLISHED_SEGMENT_BYTES_MAX = 16 * MIB
/** Shards of a worker that publish or merge at once; each holds a segment a few times: as blocks, as bytes, on its way. */
export const PUBLISHED_AT_ONCE = 2
/** A lane that holds more is relieved by a publish at once: its replay is time and, in the embedded journal, its pages are memory. */
export const JOURNAL_RELIEVE_BYTES = 128 * MIB
/** C5: superseded segments and local rows stay for plans that still name them. */
export const SUPERSEDED_KEEP_MS = 600_000
/** C10: snapshots of the registry in the object store. */
export const REGISTRY_SNAPSHOT_EVERY_MS = 3_600_000
export const REGISTRY_SNAPSHOTS_KEPT_MS = 48 * 3_600_000

// --- queries --------------------------------------------------------------------------------------------------

export const SEARCH_LIMIT_DEFAULT = 100
export const SEARCH_LIMIT_MAX = 10_000
/** `total` is exact up to here (then "gte") unless the request asks for the exact count. */
export const TOTAL_EXACT_MAX = 10_000
export const QUERY_TIMEOUT_DEFAULT_MS = 30_000
export const QUERY_TIMEOUT_MAX_MS = 300_000
export const QUERY_TEXT_BYTES_MAX = 16 * KIB
export const QUERY_NODES_MAX = 1000
/** Parentheses, negations and groups within one another; keeps recursion far from the end of the stack. */
export const QUERY_DEPTH_MAX = 64
export const REGEX_SOURCE_CHARS_MAX = 2000
/** RE2's bound: a count, and the product of nested counts. */
export const REGEX_REPEAT_MAX = 1000
export const REGEX_DEPTH_MAX = 100
/** Instructions of a compiled regular expression; the worst case of a match is this many steps per byte. */
export const REGEX_INSTRUCTIONS_MAX = 4000
/** Bytes of one regular expression's table of transitions, and of its states; full, they are thrown away and made anew. */
export const REGEX_TABLE_BYTES_MAX = 1 * MIB
export const REGEX_STATES_BYTES_MAX = 4 * MIB
/** Steps (about 10 ns) of a regular expression on one value where no table helps; more is an error. */
export const REGEX_STEPS_MAX = 50_000_000
/** Of an expression that captures, after grok patterns are written out: the largest of the standard ones has 10,000 characters. */
export const CAPTURE_SOURCE_CHARS_MAX = 64 * KIB
export const CAPTURE_INSTRUCTIONS_MAX = 40_000
/**
 * Steps (about 4 ns) of capturing from one text, beside CAPTURE_STEPS_PER_BYTE for each of its bytes, and at most CAPTURE_STEPS_TOTAL_MAX, which is
 * the slice of T2; more is a failure of the record.
 */
export const CAPTURE_STEPS_MAX = 500_000
export const CAPTURE_STEPS_PER_BYTE = 12
export const CAPTURE_STEPS_TOTAL_MAX = 2_000_000
/** Memory of where a match was already sought in vain; a text that needs more is matched without it, within the same steps. */
export const CAPTURE_MEMO_BYTES_MAX = 1 * MIB
/** Queries that wait for their turn on a worker. */
export const QUERIES_WAITING_MAX = 1000
/** Records of one answer, as JSON, from one worker. */
export const QUERY_RESULT_BYTES_MAX = 64 * MIB
/** What all leaves together hand to the coordinator of one query, about: rows as JSON, groups, templates. */
export const QUERY_MERGE_BYTES_MAX = 128 * MIB
/** Manifest pages of one worker that plans are pinned to; about 64,000 segments. */
export const MANIFEST_CACHE_BYTES_MAX = 32 * MIB
/** What questions found in segments, of one worker: some thousand results of dashboards. */
export const RESULT_CACHE_BYTES_MAX = 32 * MIB
/** Q2: an answer that may lack what was received longer ago than this is not complete. */
export const INDEX_LAG_MAX_MS = 5000
/** C3: an owner that has not reached the registry for longer may have been replaced without knowing. */
export const REGISTRY_SILENCE_MAX_MS = 5000
/** Fields that a worker counts for one list of fields, those of the newest records first. */
export const FIELDS_COUNTED_MAX = 10_000
/** Groups of one aggregation; more is an error that names the field. */
export const AGGREGATE_GROUPS_MAX = 100_000
/** Sketches of distinct values of all groups of one aggregation. */
export const AGGREGATE_SKETCH_BYTES_MAX = 128 * MIB
/** Message templates of one query; what is unlike all of them is counted together. */
export const PATTERN_CLUSTERS_MAX = 2000
/** Tokens of a message that its template shows. */
export const PATTERN_TOKENS_MAX = 64
/** Shapes of messages whose template is remembered; about 100 bytes each. */
export const PATTERN_MEMO_MAX = 50_000
/** Templates, the most frequent, that a leaf hands over. */
export const PATTERNS_PER_LEAF_MAX = 500
/** T2: no synchronous slice longer than this on any thread. */
export const SLICE_MAX_MS = 10

// --- alerts ---------------------------------------------------------------------------------------------------

/** All threads keep every rule in memory, compiled on those that count for it. */
export const ALERT_RULES_PER_TENANT_MAX = 2000
export const ALERT_RULE_BYTES_MAX = 32 * KIB
export const ALERT_SILENCES_PER_TENANT_MAX = 500
export const ALERT_SILENCE_BYTES_MAX = 64 * KIB
/** A maintenance window comes again at most so often. */
export const ALERT_SILENCE_EVERY_MIN_MS = 60_000
/** Rules and silences of a tenant that were deleted last: their numbers are known, and go on. */
export const ALERT_DELETED_KEPT = 200
/** The history of a tenant; about 2 KB each. */
export const ALERT_EVENTS_PER_TENANT_MAX = 2000
export const ALERT_EVENTS_KEPT_MS = 30 * 24 * 3600 * 1000
/** Of what one rule is to tell, so much at least is told after a crash; about 1 KB each, in one entry of the registry. */
export const ALERT_OUTBOX_MAX = 300
/** Rules that are looked for in stored rows together, between two looks at the clock. */
export const ALERT_RULES_AT_ONCE = 64
/** What a worker says at once to the keepers of one node; the rest follows. */
export const ALERT_REPORT_BYTES_MAX = 4 * MIB
/** Entries of the registry that one keeper writes side by side. */
export const ALERT_SAVES_AT_ONCE = 32
/** Rules that are kept as files. */
export const ALERT_RULE_FILES_MAX = 1000
export const ALERT_RULE_FILE_BYTES_MAX = MIB
/** Firings that a backtest shows, and the longest time that it looks at. */
export const ALERT_BACKTEST_FIRINGS_MAX = 1000
export const ALERT_BACKTEST_RANGE_MAX_MS = 31 * 24 * 3600 * 1000
/** Groups that the status of a rule shows. */
export const ALERT_STATUS_GROUPS_MAX = 1000
/** Groups of one rule that are told apart; the records of all others are counted as one. */
export const ALERT_GROUPS_PER_RULE_MAX = 1000
/** Groups of one rule in its keeper, from all shards; what more there are is not looked at, and said. */
export const ALERT_GROUPS_PER_KEEPER_MAX = 4000
/** Of buckets of one shard; when it is full, new groups are counted as one. */
export const ALERT_BUCKETS_BYTES_MAX = 32 * MIB
/** Of a value that is grouped by, in characters. */
export const ALERT_GROUP_VALUE_CHARS_MAX = 256
/** Such groups as `absence` and `<` know of are forgotten when nothing was heard of them for so long. */
export const ALERT_GROUP_KEPT_MS = 24 * 3600 * 1000

// --- agents ---------------------------------------------------------------------------------------------------

/** X2: for so long a token is good; it is renewed when half of it has passed. */
export const AGENT_TOKEN_TTL_MS = 24 * 3600 * 1000
/** Tokens of which a thread remembers that they are genuine. */
export const AGENT_TOKENS_CACHED_MAX = 20_000
/** All threads keep who there is in memory, about 300 bytes each. */
export const AGENTS_PER_TENANT_MAX = 10_000

// --- idempotency (D3) -----------------------------------------------------------------------------------------

export const IDEMPOTENCY_KEEP_MS = 24 * 3600 * 1000
export const IDEMPOTENCY_KEYS_PER_SHARD_MAX = 200_000
export const IDEMPOTENCY_KEY_BYTES_MAX = 256

assert(VALUE_BYTES_MAX < RECORD_BYTES_MAX, 'a value fits a record')
assert(RECORD_BYTES_MAX <= CHUNK_BYTES_MAX, 'a record fits a chunk')
assert(FRAME_BYTES_TARGET + 2 * CHUNK_BYTES_MAX < FRAME_BYTES_MAX, 'a chunk fits a frame that has reached its target')
assert(FRAME_BYTES_MAX + JOURNAL_HEADER_BYTES_MAX < JOURNAL_MESSAGE_BYTES_MAX, 'a frame fits a journal message')
assert(QUERY_RESULT_BYTES_MAX < NODE_MESSAGE_BYTES_MAX, 'the answer of a leaf fits a message')
assert(NODE_MESSAGE_BYTES_MAX < NODE_ASKED_BYTES_MAX, 'a message fits what may be asked of a node')
assert(NODE_MESSAGE_BYTES_MAX <= TRANSPORT_PAYLOAD_BYTES_MAX, 'a message between actors fits one of the transport')
assert(TRANSPORT_PAYLOAD_BYTES_MAX <= TRANSPORT_PEER_BYTES_MAX, 'any answer can be received')
assert(TRANSPORT_PEER_BYTES_MAX <= TRANSPORT_RECEIVING_BYTES_MAX, 'one peer cannot ask for all')
assert(TRANSPORT_SILENT_CHECKS_MAX >= 3, 'a sign may come late, and one be lost')
assert(TRANSPORT_PAYLOAD_BYTES_MAX <= TRANSPORT_HELD_BYTES_MAX, 'any answer can be held')
assert(HEARTBEAT_BYTES_MAX <= TRANSPORT_MESSAGE_BYTES_MAX, 'a heartbeat can be published')
assert(RECORD_BYTES_MAX * 2 <= JOURNAL_MESSAGE_BYTES_MAX, 'J4')
assert(HEARTBEAT_EVERY_MS * 2 < SETTLE_MS && HEARTBEAT_EVERY_MS * 2 < DEAF_AFTER_MS, 'a lost heartbeat is not noticed')
assert(
  DEAF_AFTER_MS + 2 * HEARTBEAT_EVERY_MS < SILENCE_MAX_MS,
  'C1: who is cut off notices it before the others seem dead',
)
assert(SILENCE_MAX_MS < DISTURBANCE_GRACE_MS, 'C1: a disturbance gives time')
assert(SPREAD_QUERY_SILENCE_MAX_MS < SPREAD_SETTLE_MS, 'nobody asks too few shards while rows are dealt to more')
assert(
  SPREAD_KEY_SILENCE_MAX_MS + REGISTRY_WAIT_MS + SPREAD_SKEW_MAX_MS <= SPREAD_KEY_LEAD_MS,
  'D3: every key is dealt as the spread at its time says, once and for all',
)
assert(SPREAD_BYTES_MAX <= REGISTRY_VALUE_BYTES_MAX, 'the spread fits the registry')
assert(PIPELINE_DEFINITION_BYTES_MAX * 2 <= REGISTRY_VALUE_BYTES_MAX, 'a pipeline fits the registry')
assert(CHUNK_ROWS_MAX <= 0xffff, 'a row number of a chunk fits 16 bits')
assert(TAIL_COLLECT_WAIT_MS * 3 < TAIL_SESSION_SILENCE_MAX_MS, 'a hub that is slow is not forgotten')
assert(UPLOAD_PIECE_BYTES <= CHUNK_BYTES_MAX, 'a piece of an upload is one chunk, unless its records are tiny')
assert(UPLOAD_BEAT_MS * 10 <= UPLOAD_SILENCE_MAX_MS, 'a job that is slow is not taken for dead')
assert(UPLOAD_FINISH_PATIENCE_MS * 2 <= UPLOAD_INTAKE_SILENCE_MAX_MS, 'an upload is not cleared away while it ends')
