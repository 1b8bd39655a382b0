const SERIES_COLOURS = 8

/** The colour of the style sheet for the n-th of several series, services and so on. */
export function seriesColour(index: number): `--${string}` {
  return `--series-${(index % SERIES_COLOURS) + 1}`
}
