import { createHash } from 'node:crypto'
import { WeirError } from '../base/errors.ts'
import { uploadPartsPrefix, uploadPrefix, uploadRejectsKey } from '../storage/object-store/object-keys.ts'
import type { ObjectStore } from '../storage/object-store/object-store.ts'
import type { UploadReject } from './messages/upload.ts'
import type { RejectPage } from './upload-entry.ts'

/** Deletes what came of a job's files. */
export async function deleteParts(objects: ObjectStore, job: string): Promise<void> {
  await deleteAll(objects, uploadPartsPrefix(job))
}

/** Deletes all of a job. */
export async function deleteUpload(objects: ObjectStore, job: string): Promise<void> {
  await deleteAll(objects, uploadPrefix(job))
}

async function deleteAll(objects: ObjectStore, prefix: string): Promise<void> {
  for await (const key of objects.list(prefix)) await objects.delete(key)
}

export async function putRejectPage(
  objects: ObjectStore,
  job: string,
  page: number,
  rejects: readonly UploadReject[],
): Promise<RejectPage> {
  const bytes = Buffer.from(JSON.stringify({ formatVersion: 1, rejects }))
  const key = uploadRejectsKey(job, page, createHash('sha256').update(bytes).digest('hex').slice(0, 16))
  await objects.put(key, bytes)
  return { key, count: rejects.length }
}

/** Throws corrupt_data, or what the object store throws. */
export async function readRejectPage(objects: ObjectStore, { key, count }: RejectPage): Promise<UploadReject[]> {
  const bytes = await objects.get(key)
  const { rejects } = JSON.parse(Buffer.from(bytes).toString()) as { readonly rejects?: UploadReject[] }
  if (!Array.isArray(rejects) || rejects.length !== count) {
    throw new WeirError('corrupt_data', 'a page of rejects cannot be read', { key })
  }
  return rejects
}
