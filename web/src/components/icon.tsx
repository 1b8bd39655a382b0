/** Pictures of 24 × 24 units, drawn with lines in the colour of the text. */
const PATHS = {
  weir: 'M3 9c2.2 0 2.2-2 4.5-2S9.8 9 12 9s2.2-2 4.5-2S18.8 9 21 9M3 13.500c2.2 0 2.2-2 4.5-2s2.3 2 4.5 2 2.2-2 4.5-2 2.3 2 4.5 2M3 18c2.2 0 2.2-2 4.5-2s2.3 2 4.5 2 2.2-2 4.5-2 2.3 2 4.5 2',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM20 20l-4-4',
  tail: 'M4 6h10M4 10h13M4 14h8M17 13v7M14 17l3 3 3-3',
  trace: 'M4 5h9M8 10h9M6 15h6M12 20h8',
  services: 'M4 5h7v6H4ZM13 13h7v6h-7ZM11 8h5v5',
  alert: 'M6 16v-5a6 6 0 1 1 12 0v5l2 2H4ZM10 21h4',
  dashboard: 'M4 4h7v9H4ZM13 4h7v5h-7ZM13 11h7v9h-7ZM4 15h7v5H4Z',
  cluster:
    'M12 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM5 20a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM19 20a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM11 7l-5 9M13 7l5 9M7 18h10',
  data: 'M4 6c0-1.7 3.6-3 8-3s8 1.3 8 3-3.6 3-8 3-8-1.3-8-3ZM4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3',
  settings: 'M4 7h9M17 7h3M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM4 17h3M11 17h9M9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z',
  book: 'M5 4h10a4 4 0 0 1 4 4v12H8a3 3 0 0 1-3-3ZM5 17a3 3 0 0 1 3-3h11',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.500M17.5 17.5 19 19M19 5l-1.5 1.500M6.5 17.5 5 19',
  moon: 'M20 14.500A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.500Z',
  system: 'M4 5h16v11H4ZM9 20h6M12 16v4',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5l3 2',
  close: 'M6 6l12 12M18 6 6 18',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  copy: 'M9 9h11v11H9ZM5 15H4V4h11v1',
  link: 'M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1',
  download: 'M12 4v11M7 10l5 5 5-5M4 20h16',
  upload: 'M12 20V9M7 14l5-5 5 5M4 4h16',
  play: 'M7 4l13 8-13 8Z',
  pause: 'M8 5v14M16 5v14',
  refresh: 'M20 11a8 8 0 1 0-2 6M20 4v7h-7',
  warning: 'M12 3 2 20h20ZM12 10v4M12 17v.5',
  check: 'M5 13l5 5L20 6',
  columns: 'M4 4h16v16H4ZM10 4v16M15 4v16',
  wrap: 'M4 6h16M4 12h13a3 3 0 0 1 0 6h-4M15 15l-3 3 3 3M4 18h4',
  json: 'M9 4c-3 0-3 2-3 4s0 3-3 4c3 1 3 2 3 4s0 4 3 4M15 4c3 0 3 2 3 4s0 3 3 4c-3 1-3 2-3 4s0 4-3 4',
  filter: 'M3 5h18l-7 8v6l-4-2v-4Z',
  chart: 'M4 4v16h16M8 16v-4M12 16V8M16 16v-6',
  pattern: 'M4 6h4M11 6h9M4 12h9M16 12h4M4 18h4M11 18h9',
  down: 'M6 9l6 6 6-6',
  up: 'M6 15l6-6 6 6',
  left: 'M15 6l-6 6 6 6',
  right: 'M9 6l6 6-6 6',
  context: 'M4 4h16M4 20h16M4 9h16v6H4Z',
  key: 'M8 18a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM11 11l9-7M17 6l3 3',
  help: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM9.5 9.500a2.5 2.5 0 1 1 3.5 2.300c-.7.3-1 .9-1 1.700M12 16.500v.5',
  fields: 'M4 5h16M4 10h10M4 15h16M4 20h7',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5',
  edit: 'M4 20h4L20 8l-4-4L4 16Z',
} as const

export type IconName = keyof typeof PATHS

/** A picture beside a text; what it means must be said by the text, or the `aria-label` of what holds it. */
export function Icon({ name, size = 16 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}
