import type { IncomingHttpHeaders } from 'node:http'
import { Busboy, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { WeirError } from '../base/errors.ts'
import { Interruption } from '../base/interruption.ts'
import { UPLOAD_FILES_MAX } from '../base/limits.ts'

const FIELD_BYTES_MAX = 1024
const FIELDS_MAX = 20
const HEADER_BYTES_MAX = 16 * 1024
const FILE_BUFFER_BYTES = 256 * 1024

/** Takes the files of a form one after the other. */
export interface FileTaker {
  beginFile(name: string, type: string): void
  /** The next bytes are read when it resolves. */
  write(bytes: Buffer): Promise<void>
}

/** Whether a body is a form with files (RFC 7578). */
export function isMultipart(contentType: string | undefined): boolean {
  return contentType !== undefined && /^\s*multipart\/form-data\s*(?:;|$)/i.test(contentType)
}

/**
 * Reads a form as it comes, without holding more than a few chunks of it: its files go to `files`, its other fields are returned. A part is a file unless it is called as
 * one of `fieldNames` and has no file name. Throws invalid_body for what is no such form, and what `chunks` and `files` throw.
 */
export async function readMultipart(
  headers: IncomingHttpHeaders,
  chunks: AsyncIterable<Buffer>,
  files: FileTaker,
  fieldNames: ReadonlySet<string>,
): Promise<ReadonlyMap<string, string>> {
  const parser = openParser(headers, fieldNames)
  const interruption = new Interruption()
  const reject = (error: unknown) => interruption.fail(error)
  const finished = new Promise<void>((resolve) => parser.once('finish', resolve))
  const fields = new Map<string, string>()
  let taking: Promise<void> = Promise.resolve()
  parser.on('error', (error) => reject(malformed(error)))
  parser.on('filesLimit', () => reject(tooMany(`${UPLOAD_FILES_MAX} files`)))
  parser.on('fieldsLimit', () => reject(tooMany(`${FIELDS_MAX} fields`)))
  parser.on('field', (name, value, _nameTruncated, isTruncated) => {
    if (fields.has(name) || isTruncated)
      reject(new WeirError('invalid_body', `The field ${name} comes twice or is too long`))
    fields.set(name, value)
  })
  parser.on('file', (_field, stream, name, _encoding, type) => {
    // Where nobody reads it any more; who reads it is told as well.
    stream.on('error', (error) => reject(malformed(error)))
    taking = taking.then(async () => {
      files.beginFile(name ?? '', type)
      for await (const bytes of stream) await files.write(bytes as Buffer)
    })
    taking.catch(reject)
  })
  try {
    for await (const chunk of chunks) {
      await interruption.during(new Promise<void>((resolve) => parser.write(chunk, () => resolve())))
    }
    parser.end()
    await interruption.during(finished)
    await interruption.during(taking)
  } catch (error) {
    throw error instanceof WeirError ? error : malformed(error)
  }
  return fields
}

function openParser(headers: IncomingHttpHeaders, fieldNames: ReadonlySet<string>): BusboyInstance {
  try {
    return new Busboy({
      headers: headers as BusboyHeaders,
      fileHwm: FILE_BUFFER_BYTES,
      isPartAFile: (field, _type, file) => file !== undefined || field === undefined || !fieldNames.has(field),
      limits: {
        files: UPLOAD_FILES_MAX,
        fields: FIELDS_MAX,
        fieldSize: FIELD_BYTES_MAX,
        headerPairs: 20,
        headerSize: HEADER_BYTES_MAX,
      },
    })
  } catch (error) {
    throw malformed(error)
  }
}

function malformed(error: unknown): WeirError {
  const text = `The body is no form with files that can be read: ${(error as Error).message}`
  return new WeirError('invalid_body', text, {}, { cause: error })
}

function tooMany(what: string): WeirError {
  return new WeirError('invalid_body', `A form may have ${what}`)
}
