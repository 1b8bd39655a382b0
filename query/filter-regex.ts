import { Bitmap } from '../base/bitmap.ts'
import { VALUE_ABSENT, VALUE_NULL } from '../base/columns.ts'
import { type Chunk, forEachChunk, indexOfIn, latin1Of, scanLiteral, utf8Of, type ValueList } from './filter-scan.ts'
import { literalOf } from './kernel/literal-search.ts'
import type { UserRegex } from './regex.ts'
import { lineRegexOf, requiredLiteralOf } from './text-match-regex-syntax.ts'

const NEWLINE = 10
/** A literal found in more of the values than one in so many picks too little to be worth the detour. */
const LITERAL_RATIO = 4

/** An expression as a scan needs it: for many values at once, and for one. */
export interface ScannedRegex {
  /** For V8; null when it has none that is safe. Right for values up to `lengthMax` bytes; for those all ASCII, or for any. */
  readonly native: RegExp | null
  readonly isForAsciiOnly: boolean
  readonly lengthMax: number
  /** Right for any value: UTF-8 in bytes[start, end). */
  testBytes(bytes: Uint8Array, start: number, end: number): boolean
}

/** An expression of our own making, of which no text takes long. */
export function anyTextRegex(regex: RegExp): ScannedRegex {
  return {
    native: regex,
    isForAsciiOnly: false,
    lengthMax: Number.POSITIVE_INFINITY,
    testBytes: (bytes, start, end) => regex.test(utf8Of(bytes, start, end)),
  }
}

/** An expression of a user. */
export function userRegex(regex: UserRegex): ScannedRegex {
  return {
    native: regex.native,
    isForAsciiOnly: true,
    lengthMax: regex.nativeLengthMax,
    testBytes: (bytes, start, end) => regex.testBytes(bytes, start, end),
  }
}

export interface RegexScan {
  /** The values of `list` (of `within`) that match. Nulls and absent values do not. */
  search(list: ValueList, count: number, within: Bitmap | null): Bitmap
  /** The same for one chunk; adds to `found`. */
  searchChunk(list: ValueList, chunk: Chunk, within: Bitmap | null, found: Bitmap): void
}

/**
 * Searches many values with one expression. Three ways, all of them exact, the cheapest that applies:
 * - by the literal that every match contains: one scan for the literal, and the expression on the values that hold it;
 * - joined: the values of a chunk joined by newlines and searched by one expression that cannot leave its line;
 * - value by value: those that hold a newline or are not for V8, and all when the expression's syntax is beyond our reading.
 *
 * 8,192 messages of 68 bytes: 0.15 ms by a rare literal, 0.3-0.9 ms joined, 0.7-1.1 ms one by one (bench/micro/filter.ts).
 */
export function regexScan(regex: ScannedRegex): RegexScan {
  const { native } = regex
  const lines = native === null ? null : lineRegexOf(native)
  const literal = native === null ? null : requiredLiteralOf(native)
  const needle = literal === null ? null : literalOf(literal, native!.ignoreCase)
  // Learned from the chunks seen: a literal that is in most values only costs.
  let isLiteralRare = true

  const searchChunk = (list: ValueList, chunk: Chunk, within: Bitmap | null, found: Bitmap): void => {
    // What is known of the expression for V8 is known of its matches in values that are for V8.
    const isForNative = chunk.isAscii || !regex.isForAsciiOnly
    if (needle !== null && isLiteralRare && isForNative) {
      const candidates = new Bitmap(found.length)
      scanLiteral(list, chunk, within, needle, () => true, candidates)
      isLiteralRare = candidates.count() * LITERAL_RATIO <= chunk.to - chunk.from
      testEach(list, chunk, candidates, regex, found)
    } else if (lines === null || chunk.isSparse) testEach(list, chunk, within, regex, found)
    else searchJoined(list, chunk, within, regex, lines, found)
  }
  return {
    searchChunk,
    search(list, count, within) {
      const found = new Bitmap(count)
      forEachChunk(list, count, within, (chunk) => searchChunk(list, chunk, within, found))
      return found
    },
  }
}

/** `text` as an expression that matches just it. */
export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (c) => (c === '-' ? '\\x2d' : `\\${c}`))
}

function testEach(list: ValueList, chunk: Chunk, within: Bitmap | null, regex: ScannedRegex, found: Bitmap): void {
  const { types, offsets, bytes } = list
  for (let index = chunk.from; index < chunk.to; index++) {
    if (within !== null && !within.has(index)) continue
    const type = types[index]!
    if (type === VALUE_ABSENT || type === VALUE_NULL) continue
    const start = offsets[index]!
    const end = offsets[index + 1]!
    const isForNative = chunk.isAscii && regex.native !== null && end - start <= regex.lengthMax
    const matches = isForNative ? regex.native!.test(latin1Of(bytes, start, end)) : regex.testBytes(bytes, start, end)
    if (matches) found.add(index)
  }
}

let scratch = new Uint8Array(256 * 1024)
let scratchView = new DataView(scratch.buffer)
/** Of each line of the scratch: the value's index, and where its newline stands. */
let lineIndexes = new Uint32Array(16 * 1024)
let lineEnds = new Uint32Array(16 * 1024)

function searchJoined(
  list: ValueList,
  chunk: Chunk,
  within: Bitmap | null,
  regex: ScannedRegex,
  lines: RegExp,
  found: Bitmap,
): void {
  const alone = valuesWithNewline(list, chunk, found.length)
  const lineCount = joinLines(list, chunk, within, regex, alone)
  if (!alone.isEmpty()) testEach(list, chunk, within === null ? alone : alone.and(within), regex, found)
  if (lineCount === 0) return
  const bytesEnd = lineEnds[lineCount - 1]! + 1
  let line = 0
  lines.lastIndex = 0
  if (chunk.isAscii || regex.isForAsciiOnly) {
    const text = latin1Of(scratch, 0, bytesEnd)
    while (lines.test(text)) {
      const matchEnd = lines.lastIndex
      while (lineEnds[line]! < matchEnd) line++
      if (line >= lineCount) return
      found.add(lineIndexes[line]!)
      lines.lastIndex = lineEnds[line]! + 1
      if (++line >= lineCount) return
    }
    return
  }
  const text = utf8Of(scratch, 0, bytesEnd)
  let lineEnd = text.indexOf('\n')
  while (lines.test(text)) {
    const matchEnd = lines.lastIndex
    while (lineEnd < matchEnd) {
      const next = text.indexOf('\n', lineEnd + 1)
      if (next === -1) return
      lineEnd = next
      line++
    }
    found.add(lineIndexes[line]!)
    lines.lastIndex = lineEnd + 1
    lineEnd = text.indexOf('\n', lineEnd + 1)
    if (++line >= lineCount) return
  }
}

function valuesWithNewline(list: ValueList, chunk: Chunk, count: number): Bitmap {
  const members = new Bitmap(count)
  const { offsets } = list
  const bytes = list.bytes.subarray(chunk.start, chunk.end)
  let at = indexOfIn(bytes, NEWLINE)
  let index = chunk.from
  while (at !== -1) {
    while (offsets[index + 1]! <= at + chunk.start) index++
    members.add(index)
    at = indexOfIn(bytes, NEWLINE, offsets[index + 1]! - chunk.start)
  }
  return members
}

/**
 * Copies the values in question to the scratch, a newline behind each; returns how many there are. Leaves out those of `alone`, and adds to
 * it those that the expression for V8 is not for.
 */
function joinLines(list: ValueList, chunk: Chunk, within: Bitmap | null, regex: ScannedRegex, alone: Bitmap): number {
  const { types, offsets, bytes } = list
  const { lengthMax, isForAsciiOnly } = regex
  const valueCount = chunk.to - chunk.from
  const bytesNeeded = chunk.end - chunk.start + valueCount + 8
  if (scratch.length < bytesNeeded) {
    scratch = new Uint8Array(bytesNeeded)
    scratchView = new DataView(scratch.buffer)
  }
  if (lineEnds.length < valueCount) {
    lineIndexes = new Uint32Array(valueCount)
    lineEnds = new Uint32Array(valueCount)
  }
  const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const readable = bytes.byteLength - 8
  let lineCount = 0
  let to = 0
  for (let index = chunk.from; index < chunk.to; index++) {
    if (within !== null && !within.has(index)) continue
    if (alone.has(index)) continue
    const type = types[index]!
    if (type === VALUE_ABSENT || type === VALUE_NULL) continue
    const start = offsets[index]!
    const length = offsets[index + 1]! - start
    if (length > lengthMax) {
      alone.add(index)
      continue
    }
    if (chunk.isAscii && start + length <= readable) {
      // Eight bytes at a time, some too many, which the next line overwrites. ASCII bytes are never a NaN, so a
      // float carries them unchanged.
      for (let k = 0; k < length; k += 8) scratchView.setFloat64(to + k, source.getFloat64(start + k, true), true)
    } else {
      let bits = 0
      for (let k = 0; k < length; k++) {
        const byte = bytes[start + k]!
        scratch[to + k] = byte
        bits |= byte
      }
      if (bits >= 0x80 && isForAsciiOnly) {
        alone.add(index)
        continue
      }
    }
    to += length
    lineIndexes[lineCount] = index
    lineEnds[lineCount++] = to
    scratch[to++] = NEWLINE
  }
  return lineCount
}
