const WIDTH = 120
const HEIGHT = 24

/** Bars of one value each, as high as the highest is the height; what they say is said by `label`. */
export function Sparkline({ values, label }: { readonly values: readonly number[]; readonly label: string }) {
  const highest = Math.max(1, ...values)
  const step = WIDTH / Math.max(1, values.length)
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((value, i) => {
        const height = value === 0 ? 0 : Math.max(1, (value / highest) * HEIGHT)
        return <rect key={i} x={i * step} y={HEIGHT - height} width={Math.max(0.5, step - 0.8)} height={height} />
      })}
    </svg>
  )
}
