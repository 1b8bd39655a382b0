export interface AgentSnippet {
  readonly name: string
  /** As on its page in docs/agents, of which this is a copy; `weir` stands for the node. Undefined for what has no page. */
  readonly page?: string
  readonly text: string
  readonly note: string
}

/** What can be copied to send a first line. */
export const AGENT_SNIPPETS: readonly AgentSnippet[] = [
  {
    name: 'curl',
    text: `curl http://weir:9347/v1/logs/ingest \\
  -H 'Content-Type: application/json' -H 'Authorization: Bearer weir_YOUR_KEY' \\
  -d '{"level":"INFO","service":"hello","message":"my first line"}'`,
    note: 'Without authentication, which is how a node starts, the key is not looked at.',
  },
  {
    name: 'Fluent Bit',
    page: 'fluent-bit',
    text: `[INPUT]
    name             tail
    path             /var/log/app/*.log
    tag              app
    storage.type     filesystem

[FILTER]
    name             modify
    match            *
    add              service app

[OUTPUT]
    name             http
    match            *
    host             weir
    port             9347
    uri              /v1/logs/ingest
    format           json_lines
    json_date_key    timestamp
    json_date_format iso8601
    compress         gzip
    header           Authorization Bearer weir_YOUR_KEY
    retry_limit      no_limits`,
    note: 'Where authentication is on, the key needs the role ingest.',
  },
  {
    name: 'Vector',
    page: 'vector',
    text: `sources:
  app:
    type: file
    include: ["/var/log/app/*.log"]

transforms:
  named:
    type: remap
    inputs: [app]
    source: .service = "app"

sinks:
  weir:
    type: http
    inputs: [named]
    uri: http://weir:9347/v1/logs/ingest
    encoding: { codec: json }
    framing: { method: newline_delimited }
    compression: gzip
    auth: { strategy: bearer, token: weir_YOUR_KEY }
    batch: { max_bytes: 1000000, timeout_secs: 1 }
    buffer: { type: disk, max_size: 1073741824 }`,
    note: 'Where authentication is on, the key needs the role ingest.',
  },
  {
    name: 'OpenTelemetry Collector',
    page: 'otel-collector',
    text: `receivers:
  filelog:
    include: ["/var/log/app/*.log"]
    resource: { service.name: app }

processors:
  batch: { send_batch_size: 2000, timeout: 1s }

exporters:
  otlphttp/weir:
    endpoint: http://weir:9347/otlp
    compression: gzip
    headers: { authorization: "Bearer weir_YOUR_KEY" }
    sending_queue: { storage: file_storage }
  otlp/weir:
    endpoint: weir:4317
    tls: { insecure: true }
    headers: { authorization: "Bearer weir_YOUR_KEY" }

extensions:
  file_storage: { directory: /var/lib/otelcol }

service:
  extensions: [file_storage]
  pipelines:
    logs: { receivers: [filelog], processors: [batch], exporters: [otlphttp/weir] }`,
    note: 'One of the two exporters is enough: otlphttp over HTTP, or otlp over gRPC on port 4317.',
  },
  {
    name: 'Filebeat',
    page: 'filebeat',
    text: `filebeat.inputs:
  - type: filestream
    id: app
    paths: ["/var/log/app/*.log"]
    fields_under_root: true
    fields: { service.name: app }

setup.template.enabled: false
setup.ilm.enabled: false

output.elasticsearch:
  hosts: ["http://weir:9347/elastic"]
  api_key: "weir:weir_YOUR_KEY"
  compression_level: 3`,
    note: 'Other Beats have the same output.',
  },
  {
    name: 'rsyslog',
    page: 'rsyslog',
    text: `module(load="imfile")
input(type="imfile" file="/var/log/app/app.log" tag="app" severity="info")
action(type="omfwd" target="weir" port="5514" protocol="tcp" TCP_Framing="octet-counted"
       template="RSYSLOG_SyslogProtocol23Format"
       queue.type="LinkedList" queue.filename="weir" queue.saveOnShutdown="on" action.resumeRetryCount="-1")`,
    note: 'Syslog has no keys; the node listens for it on port 5514.',
  },
  {
    name: 'Docker',
    page: 'docker',
    text: `{
  "log-driver": "fluentd",
  "log-opts": {
    "fluentd-address": "tcp://weir:24224",
    "fluentd-async": "true",
    "fluentd-sub-second-precision": "true",
    "tag": "{{.Name}}"
  }
}`,
    note: 'As /etc/docker/daemon.json; the node listens for the Fluentd protocol on port 24224.',
  },
]

/** A configuration with the node that served this page in it. */
export function agentSnippet(
  text: string,
  { hostname, port, protocol }: { hostname: string; port: string; protocol: string },
): string {
  const shownPort = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  return text
    .replace(/\bhttp:\/\/weir:9347/g, `${protocol}//${hostname}:${shownPort}`)
    .replace(/\bport( +)9347/g, `port$1${shownPort}`)
    .replace(/(?<=[ /"]|\/\/)weir(?=:\d)|(?<=host +|target=")weir\b/g, hostname)
}
