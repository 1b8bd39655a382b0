import type { AlertChannelBackend } from '../../api/backend.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import type { Registry } from '../../cluster/registry.ts'
import { ChannelDesk, openAlertChannels } from '../../node/channels/channel-desk.ts'
import { ChannelSender } from '../../node/channels/channel-sender.ts'

/** Channels in a registry. They may send to the loopback. */
export function memoryChannels(registry: Registry, nowMs: () => number): AlertChannelBackend {
  const clock = { ...systemClock, nowMs }
  const mail = { server: undefined, from: undefined }
  const sender = new ChannelSender({ clock, version: '0.0.1', allowPrivate: true, mail, timeoutMs: 500 })
  const opening = openAlertChannels({ registry, clock, logger: silentLogger }).then(
    (channels) => new ChannelDesk({ channels, registry, clock, sender, allowPrivate: true }),
  )
  return {
    list: async (...args) => (await opening).list(...args),
    get: async (...args) => (await opening).get(...args),
    put: async (...args) => (await opening).put(...args),
    remove: async (...args) => (await opening).remove(...args),
    test: async (...args) => (await opening).test(...args),
    deliveries: async (...args) => (await opening).deliveries(...args),
  }
}
