import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { after } from '../browser-clock.ts'

const ARMED_MS = 4000

/** A button that asks by changing its text: only a second press within four seconds does it. */
export function ConfirmButton({
  question,
  onConfirm,
  children,
  label,
}: {
  /** The text of the armed button, such as `Really delete?`. */
  readonly question: string
  readonly onConfirm: () => void
  readonly children: ComponentChildren
  /** What it does, where the children do not say. */
  readonly label?: string
}) {
  const isArmed = useSignal(false)
  useEffect(() => {
    if (!isArmed.value) return
    return after(ARMED_MS, () => {
      isArmed.value = false
    })
  }, [isArmed, isArmed.value])
  return (
    <button
      type="button"
      class={isArmed.value ? 'button button-danger' : 'button button-quiet'}
      {...(label === undefined || isArmed.value ? {} : { 'aria-label': label, title: label })}
      onClick={() => {
        if (isArmed.value) onConfirm()
        isArmed.value = !isArmed.value
      }}
    >
      {isArmed.value ? question : children}
    </button>
  )
}
