import { createHmac } from 'node:crypto'

/**
 * Header fields that prove who sent a body and when, by the scheme of https://www.standardwebhooks.com: HMAC-SHA256 over `<id>.<seconds>.<body>`. A secret that begins
 * with `whsec_` is base64 behind it, any other is the key as it is. Receivers refuse times that are more than some minutes off.
 */
export function signatureHeaders(id: string, body: string, secret: string, nowMs: number): Record<string, string> {
  const seconds = String(Math.floor(nowMs / 1000))
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret)
  const digest = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${digest}` }
}
