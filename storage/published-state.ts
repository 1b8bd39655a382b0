import type { DayNumber, Position, TenantId } from '../base/ids.ts'
import { comparePositions, POSITION_ZERO } from '../base/ids.ts'
import type { ManifestPage } from './manifest.ts'
import { MANIFEST_EMPTY } from './manifest.ts'
import type { SegmentMeta } from './segment.ts'

/**
 * What of a shard is published: the floor and manifest that its registry entry names (C2). Replaced whole after each successful
 * compare-and-set, never edited.
 */
export class PublishedState {
  /** Everything at or below it is in published segments. */
  readonly floor: Position
  readonly page: ManifestPage
  /** Key of the page in the object store; empty before the first publish. Two states with one key list the same segments. */
  readonly key: string
  readonly #through: ReadonlyMap<string, Position>

  constructor(floor: Position, page: ManifestPage, key: string) {
    this.floor = floor
    this.page = page
    this.key = key
    this.#through = new Map(
      page.publishedThrough.map(({ day, tenant, generation, sequence }) => [
        dayTenantKey(day, tenant),
        { generation, sequence },
      ]),
    )
  }

  static empty(): PublishedState {
    return new PublishedState(POSITION_ZERO, MANIFEST_EMPTY, '')
  }

  get segments(): readonly SegmentMeta[] {
    return this.page.segments
  }

  /** Every row of the tenant's day at or below it is in a published segment; it may be ahead of the floor. */
  publishedThrough(tenant: TenantId, day: DayNumber): Position {
    const through = this.#through.get(dayTenantKey(day, tenant))
    return through !== undefined && comparePositions(through, this.floor) > 0 ? through : this.floor
  }
}

function dayTenantKey(day: DayNumber, tenant: TenantId): string {
  return `${day}/${tenant}`
}
