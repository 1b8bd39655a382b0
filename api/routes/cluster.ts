import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ClusterStatus } from '../../actors/messages/cluster.ts'
import { clientSignal } from '../client-signal.ts'
import { type Cluster, drainNode, getCluster } from '../contract/cluster.ts'
import { NoParameters } from '../contract/records.ts'
import { JSON_CONTENT_TYPE } from '../json-parts.ts'
import { ParameterReader } from '../parameters.ts'
import type { Route } from '../route.ts'
import type { ServerContext } from '../server-options.ts'

/** GET /v1/cluster, POST /v1/cluster/nodes/{id}/drain */
export function clusterRoutes(context: ServerContext): Route[] {
  const { cluster } = context.backend
  const noParameters = new ParameterReader(NoParameters)

  async function status(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    noParameters.ofQuery(request)
    const answer = clusterOf(await cluster.status(clientSignal(reply)))
    return reply.header('content-type', JSON_CONTENT_TYPE).send(JSON.stringify(answer))
  }

  async function drain(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    noParameters.ofQuery(request)
    const { id } = request.params as { id: string }
    await cluster.drain(id, clientSignal(reply))
    reply.code(202).header('content-type', JSON_CONTENT_TYPE)
    return reply.send(JSON.stringify({ id, state: 'draining' }))
  }

  return [
    { endpoint: getCluster, handler: status },
    { endpoint: drainNode, handler: drain },
  ]
}

function clusterOf({ name, nodeId, settled, nodes, shards, moves }: ClusterStatus): Cluster {
  return {
    name,
    nodeId,
    settled,
    nodes: nodes.map(({ startedMs, load, stuck, ...node }) => ({
      ...node,
      startedAt: startedMs === null ? null : new Date(startedMs).toISOString(),
      load: { ...load },
      stuck: [...stuck],
    })),
    shards: shards.map(({ lagMs, floor, ...shard }) => ({
      ...shard,
      lagSeconds: secondsOf(lagMs),
      floor: floor === null ? null : { generation: floor.generation, sequence: floor.sequence },
    })),
    moves: moves.map(({ lagMs, ...move }) => ({ ...move, lagSeconds: secondsOf(lagMs) })),
  }
}

function secondsOf(ms: number | null): number | null {
  return ms === null ? null : ms / 1000
}
