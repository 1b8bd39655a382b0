import type { SharedNode } from './shared-node.ts'
import type { WeirClient } from './weir-client.ts'

/** The environment of commands of a tenant that nobody else uses, and a client of the same tenant. */
export interface CliTenant {
  readonly env: Readonly<Record<string, string>>
  readonly client: WeirClient
}

export function cliTenants({ node, client }: SharedNode, prefix: string): () => CliTenant {
  let tenants = 0
  return () => {
    const name = `${prefix}-${++tenants}`
    return { env: { WEIR_URL: node.url, WEIR_TENANT: name }, client: client({ 'x-scope-orgid': name }) }
  }
}
