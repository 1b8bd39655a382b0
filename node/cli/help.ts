import { environmentName, SETTING_KEYS } from '../config.ts'

export function helpText(): string {
  const width = Math.max(...SETTING_KEYS.map((key) => key.length))
  const settings = SETTING_KEYS.map((key) => `  --${key.padEnd(width)}  ${environmentName(key)}`)
  return `Weir keeps logs and finds them.

usage
  weir [flags]                     start a node
  weir config --explain [flags]    print every setting: value, unit, default, where the value comes from
  weir cluster status              print the nodes and shards of a running cluster
    --url <url>      of any of its nodes; default http://127.0.0.1:9347
    --key <key>      that may read the whole cluster; default WEIR_AUTH_ADMIN_KEY
  weir restore [flags]             fill an empty registry from the object store, after NATS or the data directory was lost
  weir agent --config agent.yaml   ship logs to nodes; see weir agent --help
  weir --help, weir --version

flags
  --config <file>    settings file; default weir.yaml in the working directory, if there is one
  --demo             keep producing the logs of a small shop
  --<setting> <value>, or --<setting>=<value>; the same settings as weir.yaml and the environment:

${settings.join('\n')}

A running node ends on SIGTERM or SIGINT after answering what it has taken in; a second signal ends it at once.
`
}
