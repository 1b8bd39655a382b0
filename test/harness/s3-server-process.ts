/**
 * An S3 server on loopback, in a process of its own: `node s3-server-process.ts <directory> <port>`. Prints its port when it listens. fauxqs listens on all
 * addresses when it is started the usual way, hence its parts.
 */
import { buildApp } from 'fauxqs'

const [directory, port] = process.argv.slice(2)
const part = (path: string) => import(new URL(path, import.meta.resolve('fauxqs')).href)
const { S3Store } = await part('s3/s3Store.js')
const { FileS3Persistence } = await part('s3/fileS3Persistence.js')

const persistence = new FileS3Persistence(directory)
const s3Store = new S3Store()
persistence.loadS3(s3Store)
s3Store.persistence = persistence
const app = buildApp({ logger: false, stores: { s3Store } } as Parameters<typeof buildApp>[0])
await app.listen({ port: Number(port), host: '127.0.0.1' })
process.stdout.write(`${(app.server.address() as { port: number }).port}\n`)
