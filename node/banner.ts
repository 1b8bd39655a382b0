import { styleText } from 'node:util'

export interface BannerFacts {
  readonly version: string
  /** Where the HTTP API answers, such as http://127.0.0.1:9347. */
  readonly url: string
  readonly dataDir: string
  readonly authMode: 'off' | 'keys' | 'oidc'
  /** The first admin key, when this start has just made it. It cannot be shown again. */
  readonly newAdminKey?: string
  readonly demo: boolean
  readonly colour: boolean
}

/** What a person who starts a node in a terminal reads: where it answers, where data lives, how to send and find a record. */
export function bannerText(facts: BannerFacts): string {
  const style = (format: 'bold' | 'cyan' | 'dim' | 'yellow', text: string) =>
    facts.colour ? styleText(format, text, { validateStream: false }) : text
  const key = facts.newAdminKey ?? '$WEIR_KEY'
  const header = facts.authMode === 'off' ? '' : ` -H 'authorization: Bearer ${key}'`
  const auth = header.replaceAll("'", '"')
  const lines = [
    `${style('bold', 'Weir')} ${facts.version} answers at ${style('cyan', facts.url)}`,
    `data lives in ${facts.dataDir}`,
  ]
  if (facts.newAdminKey !== undefined) {
    lines.push('', style('yellow', 'The admin key, shown this once. Keep it safe:'), `  ${facts.newAdminKey}`)
  } else if (facts.authMode === 'off') {
    lines.push(style('dim', 'authentication is off: anybody who reaches this address may read and write'))
  }
  if (facts.demo) lines.push(style('dim', 'a small shop is logging: the demo is on'))
  lines.push(
    '',
    style('dim', 'send a record'),
    `  curl ${facts.url}/v1/logs/ingest${auth} -H "content-type: application/json" \\`,
    `    -d '{"service":"checkout","level":"ERROR","message":"payment gateway timeout"}'`,
    style('dim', 'find it'),
    `  curl -G ${facts.url}/v1/logs/search${auth} --data-urlencode 'query=timeout level:ERROR'`,
    '',
    style('dim', 'stop with Ctrl-C'),
  )
  return `\n${lines.join('\n')}\n\n`
}
