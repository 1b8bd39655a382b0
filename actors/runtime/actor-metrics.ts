import type { Metrics } from '../../base/metrics.ts'
import type { ActorSystem } from './actor-system.ts'

/** Copies what is observed of each actor into `metrics` before each snapshot. */
export function watchActors(system: ActorSystem, metrics: Metrics): void {
  const seen = new Set<string>()
  metrics.onSnapshot(() => {
    const gone = new Set(seen)
    for (const observed of system.observe().actors) {
      const actor = observed.name
      seen.add(actor)
      gone.delete(actor)
      metrics.gauge('actorMailboxDepth', { actor }).set(observed.mailboxDepth + observed.sendersWaiting)
      metrics.counter('actorMessages', { actor }).setTotal(observed.handled)
      metrics.counter('actorRefused', { actor }).setTotal(observed.refused + observed.dropped)
      metrics.counter('actorRestarts', { actor }).setTotal(observed.restarts)
      metrics.counter('actorBusySeconds', { actor }).setTotal(observed.busyMs / 1000)
    }
    for (const actor of gone) metrics.gauge('actorMailboxDepth', { actor }).set(0)
  })
}
