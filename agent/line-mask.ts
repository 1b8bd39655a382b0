import { WeirError } from '../base/errors.ts'
import { RegexError } from '../base/regex-error.ts'
import { screenBytes } from '../ingest/pipeline/mask/screen.ts'
import { DETECTORS, SecretScanner } from '../ingest/pipeline/mask/secret-scanner.ts'
import type { LineMask } from './record-writer.ts'

/** What is to be hidden in the lines of an input. */
export interface MaskSettings {
  /** Of the engine; absent: all but IP addresses. */
  readonly detectors: readonly string[] | undefined
  /** Regular expressions. */
  readonly patterns: readonly string[]
}

/**
 * Hides secrets in lines before they reach a disk of the shipper: each of their bytes becomes a star, so that JSON stays JSON. Most lines are seen to hold none by a
 * look at their bytes. Throws invalid_config.
 */
export function lineMask({ detectors, patterns }: MaskSettings): LineMask {
  const known = DETECTORS.filter((one) => (detectors === undefined ? one !== 'ipAddresses' : detectors.includes(one)))
  const unknown = detectors?.find((name) => !DETECTORS.some((one) => one === name))
  if (unknown !== undefined) {
    throw new WeirError('invalid_config', `mask.detectors: there is no ${unknown}; there are ${DETECTORS.join(', ')}`)
  }
  const scanner = scannerOf(known, patterns)
  return (bytes, start, end) => {
    if (!scanner.isOfInterest(screenBytes(bytes, start, end))) return undefined
    const line = bytes.subarray(start, end)
    const hidden = scanner.hideBytes(line)
    return hidden === line ? undefined : Buffer.from(hidden.buffer, hidden.byteOffset, hidden.length)
  }
}

function scannerOf(detectors: readonly (typeof DETECTORS)[number][], patterns: readonly string[]): SecretScanner {
  try {
    return new SecretScanner(
      new Set(detectors),
      patterns.map((source) => ({ source, flags: '' })),
    )
  } catch (error) {
    if (!(error instanceof RegexError)) throw error
    throw new WeirError('invalid_config', `mask.patterns: ${error.message}`)
  }
}
