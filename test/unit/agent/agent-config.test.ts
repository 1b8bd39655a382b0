import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { loadAgentConfig } from '../../../agent/agent-config.ts'

const EXAMPLE = new URL('../../../agent.example.yaml', import.meta.url)

describe('the configuration of the shipper', () => {
  let directory: string
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'weir-agent-config-'))
  })
  after(() => rmSync(directory, { recursive: true, force: true }))

  const load = (text: string, environment = {}) => {
    writeFileSync(join(directory, 'agent.yaml'), text)
    return loadAgentConfig({ file: 'agent.yaml', cwd: directory, environment })
  }

  const variable = (name: string) => `\${${name}}`

  it('has an example that is good', () => {
    const config = load(readFileSync(EXAMPLE, 'utf8'))
    assert.equal(config.nodes.urls[0]?.href, 'http://127.0.0.1:9347/')
    assert.equal(config.dataDir, join(directory, 'weir-agent-data'))
  })

  it('takes variables of the environment, units and secrets in files', () => {
    writeFileSync(join(directory, 'key'), 'weir_abc\n')
    const config = load(
      [
        `nodes: {urls: ["${variable('NODE')}", "http://b:1"], keyFile: key}`,
        'spool: {bytesMax: 2GiB}',
        `batch: {linger: "${variable('LINGER:-2s')}"}`,
        'inputs: [{paths: logs/*.log, fields: {price: "$$5"}}]',
      ].join('\n'),
      { NODE: 'https://a:9347' },
    )
    assert.deepEqual(
      config.nodes.urls.map(({ origin }) => origin),
      ['https://a:9347', 'http://b:1'],
    )
    assert.equal(config.nodes.key, 'weir_abc')
    assert.equal(config.spoolBytesMax, 2 * 2 ** 30)
    assert.equal(config.batch.lingerMs, 2000)
    const [input] = config.inputs
    assert.ok(input?.type === 'file')
    assert.deepEqual(input.paths, [join(directory, 'logs/*.log')])
    assert.deepEqual(input.fields, { price: '$5' })
  })

  it('tells all that is wrong with it, each with its line', () => {
    const text = `nodes:
  urls: [ftp://x]
  tiemout: 3s
batch:
  linger: soon
inputs:
  - type: file
  - paths: ["\${NOTHING}"]
    multiline: {start: '('}
`
    assert.throws(
      () => load(text),
      (error: Error) => {
        const lines = error.message.split('\n')
        assert.match(lines.find((line) => line.includes('urls'))!, /line 2: nodes\.urls has ftp/)
        assert.match(
          lines.find((line) => line.includes('tiemout'))!,
          /line 3: unknown setting nodes\.tiemout; did you mean timeout\?/,
        )
        assert.match(lines.find((line) => line.includes('linger'))!, /line 5: batch\.linger must be a time/)
        assert.match(lines.find((line) => line.includes('inputs[0]'))!, /line 7: inputs\[0\]\.paths must name files/)
        assert.match(
          lines.find((line) => line.includes('NOTHING'))!,
          /line 8: inputs\[1\]\.paths names the variable NOTHING/,
        )
        assert.match(
          lines.find((line) => line.includes('regular'))!,
          /line 9: inputs\[1\]\.multiline\.start is no regular expression/,
        )
        return true
      },
    )
    assert.throws(() => load('nodes: {urls: [http://a]}'), /inputs must name something to read/)
    assert.throws(
      () => loadAgentConfig({ file: 'none.yaml', cwd: directory, environment: {} }),
      /there is no such file/,
    )
  })
})
