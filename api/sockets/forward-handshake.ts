import { createHash, timingSafeEqual } from 'node:crypto'
import { pack, unpack } from 'msgpackr'

/** The shared-key handshake of the Fluentd forward protocol: HELO of the server, PING of the client, PONG. */
export class ForwardHandshake {
  readonly #key: string
  readonly #nonce: Buffer
  readonly #name: string

  /** `nonce`: 16 random bytes. `name`: of this node. */
  constructor(key: string, nonce: Uint8Array, name: string) {
    this.#key = key
    this.#nonce = Buffer.from(nonce)
    this.#name = name
  }

  helo(): Buffer {
    return pack(['HELO', { nonce: this.#nonce, auth: Buffer.alloc(0), keepalive: true }])
  }

  /** The answer to what should be a PING, and whether the client knows the key. */
  pong(message: Buffer): { readonly answer: Buffer; readonly isTrusted: boolean } {
    let ping: unknown
    try {
      ping = unpack(message)
    } catch {
      ping = undefined
    }
    const [kind, host, salt, digest] = Array.isArray(ping) ? (ping as unknown[]) : []
    if (kind !== 'PING' || !isText(host) || !isText(salt) || !isText(digest)) return this.#refusal('no PING')
    const expected = Buffer.from(this.#digest(salt, host))
    const given = Buffer.from(digest)
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      return this.#refusal('shared_key mismatch')
    return { answer: pack(['PONG', true, '', this.#name, this.#digest(salt, this.#name)]), isTrusted: true }
  }

  #refusal(reason: string) {
    return { answer: pack(['PONG', false, reason, '', '']), isTrusted: false }
  }

  #digest(salt: string | Uint8Array, name: string | Uint8Array): string {
    return createHash('sha512').update(salt).update(name).update(this.#nonce).update(this.#key).digest('hex')
  }
}

function isText(value: unknown): value is string | Uint8Array {
  return typeof value === 'string' || value instanceof Uint8Array
}

/** What the client is told once the events of a chunk are durable. */
export function forwardAck(chunk: string): Buffer {
  return pack({ ack: chunk })
}
