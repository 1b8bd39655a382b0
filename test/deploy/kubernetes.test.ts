import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fileText, imageEnvironment, type Parsed, settingsOf, yamlDocuments } from './deploy-files.ts'

const FOLDER = 'deploy/kubernetes'
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))
/** Where kubernetes-types, made from the OpenAPI document of Kubernetes, describes the objects of an apiVersion. */
const TYPES: Readonly<Record<string, string>> = {
  v1: 'core/v1',
  'apps/v1': 'apps/v1',
  'policy/v1': 'policy/v1',
  'networking.k8s.io/v1': 'networking/v1',
}

const kustomization = yamlDocuments(fileText(`${FOLDER}/kustomization.yaml`))[0]
const secret = yamlDocuments(fileText(`${FOLDER}/secret.example.yaml`))[0]
const objects: Parsed[] = kustomization.resources.flatMap((file: string) =>
  yamlDocuments(fileText(`${FOLDER}/${file}`)),
)
const statefulSet = objectOf('StatefulSet', 'weir')
const pod = statefulSet.spec.template.spec
const [container] = pod.containers

function objectOf(kind: string, name: string): Parsed {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name)
  ok(found, `there is a ${kind} ${name}`)
  return found
}

/** What the types of Kubernetes have against objects: unknown, missing and wrong fields, as the compiler tells. */
async function typeErrors(manifests: readonly Parsed[]): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-kubernetes-'))
  try {
    const lines = manifests.flatMap((manifest, i) => [
      `import type { ${manifest.kind} as Kind${i} } from '${MODULES}/kubernetes-types/${TYPES[manifest.apiVersion]}.d.ts'`,
      `export const object${i}: Kind${i} = ${JSON.stringify(manifest)}`,
    ])
    const file = join(directory, 'manifests.ts')
    writeFileSync(file, lines.join('\n'))
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--ignoreConfig']
    await promisify(execFile)(join(MODULES, '.bin/tsc'), [...options, file], { cwd: directory })
    return []
  } catch (error) {
    const { stdout = '' } = error as { stdout?: string }
    if (stdout === '') throw error
    return stdout.split('\n').filter((line) => line.includes('error TS'))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

test('the manifests have the fields that Kubernetes knows, of the types that it wants', async () => {
  deepEqual(objects.map(({ kind }) => kind).sort(), [
    'ConfigMap',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'Service',
    'Service',
    'ServiceAccount',
    'StatefulSet',
  ])
  deepEqual(await typeErrors([...objects, secret]), [])
  // A check that lets everything pass would prove nothing.
  const misspelt = structuredClone(statefulSet)
  misspelt.spec.template.spec.containers[0].readynessProbe = {}
  const mistaken = structuredClone(statefulSet)
  mistaken.spec.replicas = 'three'
  const lacking = structuredClone(objectOf('NetworkPolicy', 'weir'))
  delete lacking.spec.podSelector
  equal((await typeErrors([misspelt, mistaken, lacking])).length, 3)
})

test('selectors select the nodes, and all that is referred to exists', () => {
  const { labels } = statefulSet.spec.template.metadata
  deepEqual(statefulSet.spec.selector.matchLabels, labels)
  deepEqual(objectOf('Service', 'weir').spec.selector, labels)
  deepEqual(objectOf('PodDisruptionBudget', 'weir').spec.selector.matchLabels, labels)
  deepEqual(objectOf('NetworkPolicy', 'weir').spec.podSelector.matchLabels, labels)
  const [rule] = pod.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution
  deepEqual([rule.labelSelector.matchLabels, rule.topologyKey], [labels, 'kubernetes.io/hostname'])

  const governing = objectOf('Service', statefulSet.spec.serviceName)
  deepEqual([governing.spec.selector, governing.spec.clusterIP], [labels, 'None'])
  objectOf('ServiceAccount', pod.serviceAccountName)
  const sources = container.envFrom.map((from: Parsed) => (from.configMapRef ?? from.secretRef).name)
  deepEqual(sources, [objectOf('ConfigMap', 'weir').metadata.name, secret.metadata.name])
  const volumes = [...pod.volumes, ...statefulSet.spec.volumeClaimTemplates.map((claim: Parsed) => claim.metadata)]
  deepEqual(container.volumeMounts.map(({ name }: Parsed) => name).sort(), volumes.map(({ name }) => name).sort())
  const ports = container.ports.map(({ name }: Parsed) => name)
  for (const name of ['weir', governing.metadata.name]) {
    for (const { targetPort } of objectOf('Service', name).spec.ports) ok(ports.includes(targetPort))
  }
})

test('nodes start with the settings that the manifests give them', () => {
  const own = container.env.map(({ name, value, valueFrom }: Parsed) => {
    ok(value ?? valueFrom, name)
    return [name, value?.replace('$(WEIR_NODE_ID)', 'weir-0') ?? 'weir-0']
  })
  const settings = settingsOf({
    ...imageEnvironment(fileText('Dockerfile')),
    ...objectOf('ConfigMap', 'weir').data,
    ...secret.stringData,
    ...Object.fromEntries(own),
  })
  deepEqual([settings['auth.mode'], settings['node.id']], ['keys', 'weir-0'])
  equal(settings['http.advertise'], `http://weir-0.weir-nodes:${settings['http.port']}`)
  equal(settings['http.port'], container.ports[0].containerPort)
  ok(pod.terminationGracePeriodSeconds * 1000 > settings['drain.timeoutMs'])
})

test('nodes run without rights, on a root file system that cannot be written', () => {
  equal(pod.securityContext.runAsNonRoot, true)
  deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  ok(container.resources.limits.memory && container.resources.requests.cpu)
})

test('the image has the version of the package', () => {
  const { version } = JSON.parse(fileText('package.json'))
  equal(kustomization.images[0].newTag, version)
  equal(kustomization.images[0].name, container.image)
  match(version, /^\d+\.\d+\.\d+/)
})
