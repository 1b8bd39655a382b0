import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { containerOf } from '../../../agent/container-path.ts'

const ID = 'a1'.repeat(32)

describe('the path of a container log', () => {
  it('says which container it is', () => {
    const kubernetes = { namespace: 'prod', pod: 'web-7d4b9-x2x', container: 'nginx' }
    const podUid = 'f3b1c2d4-0000-4000-8000-1234567890ab'
    assert.deepEqual(containerOf(`/var/log/pods/prod_web-7d4b9-x2x_${podUid}/nginx/3.log`), {
      service: 'nginx',
      fields: { kubernetes: { ...kubernetes, podUid } },
    })
    assert.deepEqual(
      containerOf(`/var/log/pods/prod_web-7d4b9-x2x_${podUid}/nginx/3.log.20261121-101112.gz`)?.service,
      'nginx',
    )
    assert.deepEqual(containerOf(`/var/log/containers/web-7d4b9-x2x_prod_nginx-${ID}.log`), {
      service: 'nginx',
      fields: { kubernetes, container: { id: ID } },
    })
    assert.deepEqual(containerOf(`/var/lib/docker/containers/${ID}/${ID}-json.log`), {
      service: ID.slice(0, 12),
      fields: { container: { id: ID } },
    })
    assert.equal(containerOf('/var/log/syslog'), undefined)
  })
})
