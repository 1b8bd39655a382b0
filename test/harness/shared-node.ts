import { after } from 'node:test'
import { NodeProcess, type NodeSettings } from './node-process.ts'
import { WeirClient } from './weir-client.ts'

/** One node for all tests of a file. */
export interface SharedNode {
  readonly node: NodeProcess
  /** A client of a tenant that nobody else uses. */
  tenant(): WeirClient
  /** A client that sends these headers. */
  client(headers?: Readonly<Record<string, string>>): WeirClient
}

/** Starts a node and stops it after the tests of the file. To be awaited at the top of the file. */
export async function shareNode(settings: NodeSettings = {}): Promise<SharedNode> {
  const node = await NodeProcess.start({ workers: 2, ...settings })
  const clients: WeirClient[] = []
  let tenants = 0
  after(async () => {
    for (const client of clients) client.close()
    await node.kill()
  })
  const client = (headers: Readonly<Record<string, string>> = {}) => {
    const made = new WeirClient(node.url, headers)
    clients.push(made)
    return made
  }
  return { node, client, tenant: () => client({ 'x-scope-orgid': `tenant-${++tenants}` }) }
}
