import type { Cell } from './aggregate-groups.ts'
import type { Condition } from './ast.ts'

/**
 * Whether a condition of `where` holds, given the cells of its fields. A number and a text that says a number compare as numbers; `=` and
 * `!=` take any other two as texts. An order between a number and a text that says none, or with null or a boolean, does
 * not hold. A field that is not there is null: it differs from every value but null.
 */
export function conditionHolds(condition: Condition, cellOf: (field: string) => Cell): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.of.every((part) => conditionHolds(part, cellOf))
    case 'or':
      return condition.of.some((part) => conditionHolds(part, cellOf))
    case 'not':
      return !conditionHolds(condition.of, cellOf)
    case 'compare':
      return compares(cellOf(condition.field), condition.operator, condition.value)
  }
}

/** The fields that a condition names. */
export function conditionFields(condition: Condition): string[] {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.of.flatMap(conditionFields)
    case 'not':
      return conditionFields(condition.of)
    case 'compare':
      return [condition.field]
  }
}

type Operator = Extract<Condition, { kind: 'compare' }>['operator']

function compares(cell: Cell, operator: Operator, value: Cell): boolean {
  if (operator === '=') return equal(cell, value)
  if (operator === '!=') return !equal(cell, value)
  const order = orderOf(cell, value)
  if (order === null) return false
  switch (operator) {
    case '>':
      return order > 0
    case '>=':
      return order >= 0
    case '<':
      return order < 0
    case '<=':
      return order <= 0
  }
}

function equal(cell: Cell, value: Cell): boolean {
  if (cell === null || value === null) return cell === value
  if (typeof cell === 'number' || typeof value === 'number') {
    const [a, b] = [numeric(cell), numeric(value)]
    if (a !== null && b !== null) return a === b
  }
  return String(cell) === String(value)
}

/** Below, at or above zero as `cell` is below, at or above `value`; null when they have no order. */
function orderOf(cell: Cell, value: Cell): number | null {
  if (cell === null || value === null || typeof cell === 'boolean' || typeof value === 'boolean') return null
  if (typeof cell === 'number' || typeof value === 'number') {
    const [a, b] = [numeric(cell), numeric(value)]
    return a === null || b === null ? null : a - b
  }
  return cell < value ? -1 : cell > value ? 1 : 0
}

function numeric(cell: Cell): number | null {
  if (typeof cell === 'number') return cell
  if (typeof cell !== 'string' || cell.trim() === '') return null
  const value = Number(cell)
  return Number.isNaN(value) ? null : value
}
