import { assert } from './assert.ts'

/** Bounds of notifications of alerts, with their reasons; as those of limits.ts. */

const KIB = 1024
const MIB = 1024 * KIB

/** Matching lines of one notification, and bytes of the message of each. */
export const ALERT_LINES_MAX = 5
export const ALERT_LINE_BYTES_MAX = 2 * KIB
/** Of a query, and of every other text in a notification: they are kept once a channel until it has been told. */
export const ALERT_NOTICE_QUERY_CHARS_MAX = 1000
export const ALERT_NOTICE_VALUE_CHARS_MAX = 256
/** Labels, and fields of a group. */
export const ALERT_NOTICE_VALUES_MAX = 16
export const ALERT_CHANNELS_PER_RULE_MAX = 10
export const ALERT_CHANNELS_PER_TENANT_MAX = 100
/** A definition as JSON. */
export const ALERT_CHANNEL_BYTES_MAX = 64 * KIB
export const ALERT_CHANNEL_TEXT_CHARS_MAX = 1024
export const ALERT_CHANNEL_HEADERS_MAX = 16
export const ALERT_CHANNEL_RECIPIENTS_MAX = 50
export const ALERT_CHANNEL_RATE_MAX = 6000
export const ALERT_URL_CHARS_MAX = 2000
export const ALERT_TEMPLATE_CHARS_MAX = 16 * KIB
/** Texts and placeholders; blocks within one another. */
export const ALERT_TEMPLATE_NODES_MAX = 500
export const ALERT_TEMPLATE_DEPTH_MAX = 4
/** T2: parts written for one body. */
export const ALERT_TEMPLATE_STEPS_MAX = 20_000
export const ALERT_WEBHOOK_BODY_CHARS_MAX = 256 * KIB
/** Of what a receiver answers. */
export const ALERT_ANSWER_BYTES_MAX = 64 * KIB
/** A receiver may ask for more; it is asked again sooner. */
export const ALERT_RETRY_AFTER_MAX_MS = 3_600_000
/** Of one attempt: name, connection, TLS, request and answer together. */
export const ALERT_ATTEMPT_MS = 10_000
/** From the claim of a delivery to the end of its attempt; then whoever claimed it and is not heard of has lost it. */
export const ALERT_CLAIM_MS = 15_000
/** The same of a node that is alive: it may only be unable to write down what it did. */
export const ALERT_CLAIM_ALIVE_MS = 120_000
/** A delivery is given up after so many attempts, or so long. */
export const ALERT_ATTEMPTS_MAX = 60
export const ALERT_DELIVERY_AGE_MAX_MS = 24 * 3_600_000
/** Deliveries of one channel that wait; bytes of them beyond which lines are left out. They are kept in the registry, which threads of a cluster keep in memory. */
export const ALERT_WAITING_PER_CHANNEL_MAX = 1000
export const ALERT_WAITING_BYTES_PER_CHANNEL_MAX = 2 * MIB
/** Messages under way from one node, and to one channel. */
export const ALERT_SENDING_MAX = 64
export const ALERT_SENDING_PER_CHANNEL_MAX = 4
/** Of a tenant, for who asks what became of an event. */
export const ALERT_DELIVERIES_KEPT = 2000
export const ALERT_DELIVERIES_KEPT_MS = 30 * 24 * 3_600_000
/** Attempts that a delivery shows, the last ones. */
export const ALERT_ATTEMPTS_SHOWN_MAX = 5
/** A channel that fails for so long is not waited for: its fallback is used beside it. */
export const ALERT_FALLBACK_AFTER_MS = 5 * 60_000

assert(ALERT_ATTEMPT_MS < ALERT_CLAIM_MS, 'A4: an attempt has ended before another node makes the next')
