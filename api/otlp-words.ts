import type { IngestReceipt } from '../actors/messages/ingest.ts'

/** A text up to here has a length of one byte in protobuf. */
const TEXT_BYTES_MAX = 127

/** ExportLogsServiceResponse{partial_success: 1{rejected_log_records: 1, error_message: 2}} */
export function otlpAnswer(receipt: IngestReceipt): Buffer {
  if (receipt.rejected === 0) return Buffer.alloc(0)
  const text = Buffer.from(shortText(otlpRefusal(receipt)))
  const count: number[] = []
  let rest = receipt.rejected
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) count.push((rest % 0x80) | 0x80)
  count.push(rest)
  const partial = Buffer.concat([Buffer.from([0x08, ...count, 0x12, text.length]), text])
  const { length } = partial
  const prefix = length < 0x80 ? [0x0a, length] : [0x0a, (length & 0x7f) | 0x80, length >> 7]
  return Buffer.concat([Buffer.from(prefix), partial])
}

/** What is said of records that were refused. */
export function otlpRefusal({ errors, rejected }: IngestReceipt): string {
  const [first] = errors
  const example = first === undefined ? '' : `; the first, ${first.index}: ${first.reason}`
  return `${rejected} refused and kept as dead letters${example}`
}

/** google.rpc.Status{code: 1, message: 2}. */
export function rpcStatus(code: number, text: string): Buffer {
  const message = Buffer.from(shortText(text))
  return Buffer.concat([Buffer.from([0x08, code, 0x12, message.length]), message])
}

/** As much as fits into TEXT_BYTES_MAX. */
function shortText(text: string): string {
  let short = text.slice(0, TEXT_BYTES_MAX)
  while (Buffer.byteLength(short) > TEXT_BYTES_MAX) short = short.slice(0, -1)
  return short.toWellFormed()
}
