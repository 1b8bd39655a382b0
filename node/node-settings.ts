import { MEMBER_WEIGHT_MAX } from '../base/limits.ts'
import type { SettingSpec } from './config.ts'

/** What a node is and knows; a part of SETTINGS. */
export const NODE_SETTINGS = {
  'node.id': {
    kind: 'string',
    default: null,
    derived: 'made once, kept in data.dir',
    unit: 'name',
    description: 'Name of this node, unique in its cluster.',
  },
  'node.weight': {
    kind: 'integer',
    default: 1,
    min: 1,
    max: MEMBER_WEIGHT_MAX,
    unit: 'shares',
    description: 'Share of the shards that this node takes, relative to the others.',
  },
  'node.region': {
    kind: 'string',
    default: null,
    unit: 'name',
    description: 'Where this node is; pipelines can add it to records (addLabels).',
  },
  'alerts.rulesDir': {
    kind: 'path',
    default: null,
    unit: 'directory',
    description:
      'Alert rules as files (*.yaml), put into force when the node starts and within 30 s of a change; the same on all nodes.',
  },
  'geoip.file': {
    kind: 'path',
    default: null,
    unit: 'file',
    description:
      'Database of places in the format of MaxMind (.mmdb), for the step geoip of pipelines. Each worker holds it in memory; a file that is replaced is read again.',
  },
} as const satisfies Record<string, SettingSpec>
