import type { ComponentChildren } from 'preact'

/** A table that scrolls sideways where it has no room, by keyboard too. */
export function WideTable({ label, children }: { readonly label: string; readonly children: ComponentChildren }) {
  return (
    <section class="table-wrap" tabIndex={0} aria-label={label}>
      <table class="table">{children}</table>
    </section>
  )
}
