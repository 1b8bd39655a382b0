/** What a database of places says of an address: names with texts or numbers, absent where it does not say. */
export interface GeoFacts {
  /** ISO 3166-1, two letters. */
  readonly country?: string
  readonly countryName?: string
  readonly region?: string
  readonly city?: string
  readonly latitude?: number
  readonly longitude?: number
  readonly timezone?: string
  /** Number of the autonomous system, and whose it is. */
  readonly asn?: number
  readonly organisation?: string
}

/** A database of places. */
export interface GeoLookup {
  /** Undefined for what is no address, and for addresses that the database does not know. */
  find(address: string): GeoFacts | undefined
}
