import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** What the path of a container's log says of the container. */
export interface ContainerFacts {
  /** Its name, where there is one. */
  readonly service: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
}

/** Kubernetes: …/pods/<namespace>_<pod>_<uid>/<container>/<restart>.log, and what it becomes by rotation. */
const POD_LOG = /\/([a-z0-9-]+)_([a-z0-9.-]+)_([0-9a-f-]+)\/([a-z0-9-]+)\/\d+\.log[^/]*$/
/** Its links: …/containers/<pod>_<namespace>_<container>-<id>.log */
const CONTAINER_LINK = /\/([a-z0-9.-]+)_([a-z0-9-]+)_([a-z0-9-]+)-([0-9a-f]{64})\.log$/
/** Docker: …/containers/<id>/<id>-json.log */
const DOCKER_LOG = /\/([0-9a-f]{64})-json\.log[^/]*$/
const ID_SHOWN_CHARS = 12

/** Undefined where the path is not that of a container's log. Of Docker, the container's name is read from its configuration where that can be read. */
export function containerOf(path: string): ContainerFacts | undefined {
  const pod = POD_LOG.exec(path)
  if (pod !== null) {
    const [, namespace, name, uid, container] = pod
    return { service: container, fields: { kubernetes: { namespace, pod: name, podUid: uid, container } } }
  }
  const link = CONTAINER_LINK.exec(path)
  if (link !== null) {
    const [, name, namespace, container, id] = link
    return { service: container, fields: { kubernetes: { namespace, pod: name, container }, container: { id } } }
  }
  const docker = DOCKER_LOG.exec(path)
  if (docker === null) return undefined
  const id = docker[1]!
  const { name, image } = dockerConfig(path)
  return {
    service: name ?? id.slice(0, ID_SHOWN_CHARS),
    fields: { container: { id, ...(name === undefined ? {} : { name }), ...(image === undefined ? {} : { image }) } },
  }
}

function dockerConfig(path: string): { readonly name?: string | undefined; readonly image?: string | undefined } {
  if (basename(dirname(path)).length !== 64) return {}
  try {
    const config = JSON.parse(readFileSync(join(dirname(path), 'config.v2.json'), 'utf8')) as {
      Name?: string
      Config?: { Image?: string }
    }
    return { name: config.Name?.replace(/^\//, '') || undefined, image: config.Config?.Image }
  } catch {
    return {}
  }
}
