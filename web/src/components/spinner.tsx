export function Spinner({ label }: { readonly label: string }) {
  return (
    <div class="spinner" role="status">
      <span class="spinner-ring" />
      <span>{label}…</span>
    </div>
  )
}
