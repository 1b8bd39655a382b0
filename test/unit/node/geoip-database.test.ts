import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { WeirError } from '../../../base/errors.ts'
import { silentLogger } from '../../../base/logger.ts'
import { GeoipDatabase } from '../../../node/geoip-database.ts'
import { mmdbFile } from '../../harness/mmdb-file.ts'
import { SimulatedClock } from '../../harness/simulated-clock.ts'
import { waitUntil } from '../../harness/weir-client.ts'
import { environment, runSteps } from '../ingest/pipeline/harness.ts'

const berlin = {
  country: { iso_code: 'DE', names: { en: 'Germany' } },
  city: { names: { en: 'Berlin' } },
  subdivisions: [{ names: { en: 'Land Berlin' } }],
  location: { latitude: 52.5, longitude: 13.25, time_zone: 'Europe/Berlin' },
}
const file = mmdbFile([
  [[0, 0, 0, 0, 0, 0, 0x0a00, 0], 104, berlin],
  [
    [0, 0, 0, 0, 0, 0, 0xcb00, 0x7100],
    120,
    { country_code: 'FR', autonomous_system_number: 64500, autonomous_system_organization: 'Example' },
  ],
  [[0x2001, 0xdb8], 32, { country: { iso_code: 'JP' } }],
])

test('a database of places is read, and what it says of an address is added', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-geoip-'))
  t.after(() => rm(directory, { recursive: true }))
  const clock = new SimulatedClock('geoip')
  const path = join(directory, 'places.mmdb')
  await writeFile(path, file)
  const geo = await GeoipDatabase.open(path, clock, silentLogger)
  const env = { ...environment, geo }
  const places = runSteps(
    [{ type: 'geoip', field: 'ip' }],
    ['10.1.2.3', ' 203.0.113.9', '2001:db8::1', '192.0.2.1', 'no address', '', 5].map((ip) => ({ ip })),
    { env },
  )
  assert.deepEqual(places, [
    '{"ip":"10.1.2.3","geo":{"country":"DE","countryName":"Germany","region":"Land Berlin","city":"Berlin","latitude":52.5,"longitude":13.25,"timezone":"Europe/Berlin"}}',
    '{"ip":" 203.0.113.9","geo":{"country":"FR","asn":64500,"organisation":"Example"}}',
    '{"ip":"2001:db8::1","geo":{"country":"JP"}}',
    '{"ip":"192.0.2.1"}',
    '{"ip":"no address"}',
    '{"ip":""}',
    '{"ip":5}',
  ])
  // A file that is replaced is read; one that is no database is not.
  const country = () => geo.find('10.1.2.3')?.country
  await writeFile(path, 'not a database')
  await clock.advance(60_000)
  assert.equal(country(), 'DE')
  const other = join(directory, 'other')
  await writeFile(other, mmdbFile([[[0, 0, 0, 0, 0, 0, 0x0a00, 0], 104, { country_code: 'AT' }]]))
  await rename(other, path)
  await clock.advance(60_000)
  await waitUntil(
    async () => {
      await clock.advance(60_000)
      return country() === 'AT'
    },
    () => 'the new file is in use',
  )
  await writeFile(path, 'not a database')
  const isRefused = (error: unknown) => error instanceof WeirError && error.code === 'invalid_config'
  await assert.rejects(GeoipDatabase.open(path, clock, silentLogger), isRefused)
  await assert.rejects(GeoipDatabase.open(join(directory, 'nothing'), clock, silentLogger), isRefused)
})

test('a node without a database leaves records alone, or says so where that is asked for', () => {
  assert.deepEqual(runSteps([{ type: 'geoip', field: 'ip' }], [{ ip: '10.0.0.1' }]), ['{"ip":"10.0.0.1"}'])
  assert.deepEqual(runSteps([{ type: 'geoip', field: 'ip', onError: 'deadLetter' }], [{ ip: '10.0.0.1' }]), [
    'failed in 0: this node has no database of places: the setting geoip.file is not set',
  ])
})
