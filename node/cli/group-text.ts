/** The group of an alert: `service=shop host=a`, or `all`. */
export function groupText(group: Readonly<Record<string, string>>): string {
  const parts = Object.entries(group).map(([field, value]) => `${field}=${value}`)
  return parts.length === 0 ? 'all' : parts.join(' ')
}
