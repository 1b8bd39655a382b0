import type { FastifyReply, FastifyRequest } from 'fastify'
import { WeirError } from '../../base/errors.ts'
import { type Access, authenticate } from '../auth.ts'
import { NoParameters } from '../contract/records.ts'
import { createSession, deleteSession, getSession, type Session, SignInBody } from '../contract/session.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { refuseForeignPages } from '../origin-guard.ts'
import { ParameterReader } from '../parameters.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'
import { endedSessionCookie, sessionCookie } from '../session-cookie.ts'

/** GET, POST and DELETE of /v1/session */
export function sessionRoutes({ backend, options }: ServerContext): Route[] {
  const { authMode, version, nodeId } = options
  const noParameters = new ParameterReader(NoParameters)
  const bodyParameters = new ParameterReader(SignInBody)

  function sessionOf(access: Access | undefined): Session {
    const known = access === undefined || authMode === 'off' ? {} : { tenant: access.scope, roles: [...access.roles] }
    return { authMode, isSignedIn: access !== undefined, ...known, version, nodeId }
  }

  function get(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    noParameters.ofQuery(request)
    let access: Access | undefined
    try {
      access = authenticate(authMode, backend.keys, request.raw.headers)
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== 'unauthenticated') throw error
    }
    return sendSession(reply, sessionOf(access))
  }

  function create(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    noParameters.ofQuery(request)
    const { headers } = request.raw
    // No page of another origin may sign a browser in as somebody else.
    refuseForeignPages(headers, false)
    const { key } = bodyParameters.ofJson(request)
    const isSecure = headers['x-forwarded-proto'] === 'https' || headers.origin?.startsWith('https://') === true
    const cookie = sessionCookie(key, isSecure)
    if (cookie === undefined) throw new WeirError('unauthenticated', 'The credential is not a valid key')
    const access = authenticate(authMode, backend.keys, { authorization: `Bearer ${key}` })
    if (access.roles.includes('agent')) throw new WeirError('forbidden', 'The token of an agent signs nobody in')
    reply.header('set-cookie', cookie)
    return sendSession(reply, sessionOf(access))
  }

  function end(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    noParameters.ofQuery(request)
    refuseForeignPages(request.raw.headers, false)
    return reply.header('set-cookie', endedSessionCookie()).code(204).send()
  }

  return [
    { endpoint: getSession, handler: get },
    { endpoint: createSession, handler: create },
    { endpoint: deleteSession, handler: end },
  ]
}

function sendSession(reply: FastifyReply, session: Session): FastifyReply {
  return reply.header('content-type', JSON_CONTENT_TYPE).send(JSON.stringify(session))
}
