import { assert } from '../base/assert.ts'
import type { LaneId, NodeId } from '../base/ids.ts'

/** Every subject that nodes speak on begins with `weir.<cluster>.`, so that clusters may share servers. */

/** Where every node says that it lives (C1). */
export function heartbeatSubject(cluster: string): string {
  return `weir.${token(cluster)}.heartbeat`
}

/** Where a node is asked to drain. */
export function drainSubject(cluster: string, nodeId: NodeId): string {
  return `weir.${token(cluster)}.node.${token(nodeId)}.drain`
}

/** Where the actors of one thread of a node are reached; what comes there, actors/runtime/node-protocol.ts says. */
export function actorsSubject(cluster: string, node: string, thread: string): string {
  return `weir.${token(cluster)}.actors.${token(node)}.${token(thread)}`
}

/** Where the frames of a lane are published: the one subject of its stream. */
export function laneSubject(cluster: string, lane: LaneId): string {
  return `weir.${token(cluster)}.lane.${lane}`
}

/** Name of the stream of a lane; it is part of JetStream's own subjects. */
export function laneStreamName(cluster: string, lane: LaneId): string {
  return `weir-${token(cluster)}-lane-${lane}`
}

/** A name as one part of a subject: what would be a separator or a wildcard there, or is not plain ASCII, is percent-encoded. */
function token(name: string): string {
  assert(name !== '', 'a name that is part of a subject is not empty')
  return encodeURIComponent(name).replace(/[.*!'()~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}
