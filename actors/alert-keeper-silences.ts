import type { AlertEvent, AlertMatcher, AlertSilence } from './messages/alert.ts'

/** Whether a silence, or a window of it that comes again, is in force at `nowMs`. */
export function isInForce({ startsMs, endsMs, everyMs }: AlertSilence, nowMs: number): boolean {
  if (nowMs < startsMs) return false
  if (everyMs === undefined) return nowMs < endsMs
  return (nowMs - startsMs) % everyMs < endsMs - startsMs
}

/** Whether all matchers of a silence match an event. */
export function isSilenced(silence: AlertSilence, event: Pick<AlertEvent, 'rule' | 'group'>): boolean {
  return silence.matchers.every((matcher) => isMatch(matcher, event))
}

function isMatch({ field, value, not = false }: AlertMatcher, event: Pick<AlertEvent, 'rule' | 'group'>): boolean {
  return isLike(valueNamed(field, event), value) !== not
}

function valueNamed(field: string, { rule, group }: Pick<AlertEvent, 'rule' | 'group'>): string {
  if (field === 'rule') return rule.id
  if (field === 'name') return rule.name
  if (field === 'severity') return rule.severity
  const values = field.startsWith('labels.') ? rule.labels : group
  const name = field.startsWith('labels.') ? field.slice('labels.'.length) : field
  return Object.hasOwn(values, name) ? values[name]! : ''
}

/** `*` in the pattern stands for any characters; in time linear in both, but for patterns of many stars. */
function isLike(text: string, pattern: string): boolean {
  const parts = pattern.split('*')
  if (parts.length === 1) return text === pattern
  const first = parts[0]!
  const last = parts.at(-1)!
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  const end = text.length - last.length
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
