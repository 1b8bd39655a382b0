import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorWords } from './error-words.ts'
import { answerAndLinger, hasUnreadBody } from './linger.ts'
import { errorOfParser, errorOfRequest, PROBLEM_CONTENT_TYPE, problemOf, retryAfterSeconds } from './problem.ts'
import type { ServerContext } from './server-options.ts'

/** The one place where errors become answers. */
export function sendError(
  { options }: ServerContext,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
  errorWords: ErrorWords | undefined = request.routeOptions.config.errorWords,
): FastifyReply {
  const error = errorOfRequest(thrown)
  const problem = problemOf(error, request.url, request.id)
  if (problem.status === 500) {
    options.logger.error('a request failed', {
      requestId: request.id,
      method: request.method,
      path: problem.instance,
      error,
    })
  }
  const retryAfter = retryAfterSeconds(error)
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter))
  if (error.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer realm="weir"')
  if (error.code === 'unsupported_media_type') reply.header('accept-encoding', 'gzip, zstd, deflate')
  const { status, contentType, text, headers } = errorWords?.(problem, error, request.headers) ?? {
    status: problem.status,
    contentType: PROBLEM_CONTENT_TYPE,
    text: JSON.stringify(problem),
  }
  if (headers !== undefined) reply.headers(headers)
  reply.header('content-type', contentType)
  if (hasUnreadBody(request.raw) && !reply.raw.headersSent) {
    reply.hijack()
    answerAndLinger(request.raw, reply.raw, status, reply.getHeaders() as Record<string, string>, text, options.clock)
    return reply
  }
  return reply.code(status).send(text)
}

/** Answers bytes that are no request; Node's parser has given up on the connection. */
export function answerParserError(
  error: NodeJS.ErrnoException,
  socket: Socket & { _httpMessage?: { headersSent: boolean } },
): void {
  // Part of an answer may have gone out, and anything after it would be taken for its rest.
  if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy()
    return
  }
  const problem = problemOf(errorOfParser(error.code), '/', 'none')
  const text = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\ncontent-type: ${PROBLEM_CONTENT_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  )
}
