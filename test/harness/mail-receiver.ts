import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createSecureContext, TLSSocket } from 'node:tls'

export interface ReceivedMail {
  readonly from: string
  readonly to: readonly string[]
  /** Header and body as they came, without the dots that SMTP adds. */
  readonly text: string
  readonly overTls: boolean
  /** User and password of AUTH PLAIN. */
  readonly login: string | undefined
}

export interface MailReceiver {
  readonly port: number
  readonly mails: ReceivedMail[]
  /** Answers in place of our own, by command in upper case (`RCPT`, `DATA`, `.` for the end of the mail); undefined: silence for ever. */
  readonly answers: Map<string, string | undefined>
}

/** As much of RFC 5321 as a client needs to hand over a mail, on a free port of the loopback. STARTTLS and AUTH PLAIN where it has a certificate. */
export async function startMailReceiver(
  t: TestContext,
  tls?: { readonly certificate: string; readonly key: string },
): Promise<MailReceiver> {
  const mails: ReceivedMail[] = []
  const answers = new Map<string, string | undefined>()
  const open = new Set<Socket>()
  const context = tls === undefined ? undefined : createSecureContext({ cert: tls.certificate, key: tls.key })

  function converse(socket: Socket, overTls: boolean): void {
    let buffered = ''
    let data: string[] | undefined
    let envelope = { from: '', to: [] as string[] }
    let login: string | undefined
    const say = (command: string, line: string) => {
      if (!answers.has(command)) return void socket.write(`${line}\r\n`)
      const own = answers.get(command)
      if (own !== undefined) socket.write(`${own}\r\n`)
    }
    const take = (line: string) => {
      if (data !== undefined) {
        if (line !== '.') return void data.push(line.startsWith('.') ? line.slice(1) : line)
        const text = data.join('\r\n')
        data = undefined
        if (!answers.has('.')) mails.push({ ...envelope, text, overTls, login })
        return say('.', '250 taken')
      }
      const command = line.slice(0, 4).toUpperCase().trim()
      switch (command) {
        case 'EHLO': {
          const more = context === undefined ? [] : overTls ? ['250-AUTH PLAIN'] : ['250-STARTTLS']
          envelope = { from: '', to: [] }
          return say(command, ['250-receiver', ...more, '250 8BITMIME'].join('\r\n'))
        }
        case 'STAR': {
          if (context === undefined) return say(command, '502 not here')
          socket.write('220 go on\r\n')
          socket.removeAllListeners('data')
          const secured = new TLSSocket(socket, { isServer: true, secureContext: context })
          secured.on('error', () => undefined)
          return converse(secured, true)
        }
        case 'AUTH':
          login = Buffer.from(line.split(' ')[2] ?? '', 'base64')
            .toString()
            .replaceAll('\0', ' ')
            .trim()
          return say(command, '235 welcome')
        case 'MAIL':
          envelope.from = /<(.*?)>/.exec(line)?.[1] ?? ''
          return say(command, '250 ok')
        case 'RCPT':
          envelope.to.push(/<(.*?)>/.exec(line)?.[1] ?? '')
          return say(command, '250 ok')
        case 'DATA':
          if (!answers.has(command)) data = []
          return say(command, '354 go on')
        case 'QUIT':
          socket.end('221 bye\r\n')
          return
        default:
          return say(command, '250 ok')
      }
    }
    socket.on('data', (bytes) => {
      buffered += bytes.toString('latin1')
      for (let end = buffered.indexOf('\r\n'); end >= 0; end = buffered.indexOf('\r\n')) {
        const line = buffered.slice(0, end)
        buffered = buffered.slice(end + 2)
        take(line)
      }
    })
  }

  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    if (!answers.has('greeting')) socket.write('220 receiver ESMTP\r\n')
    converse(socket, false)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of open) socket.destroy()
  })
  return { port: (server.address() as { port: number }).port, mails, answers }
}
