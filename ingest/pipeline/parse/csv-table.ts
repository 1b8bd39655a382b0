/** A table that cannot be read; the message is one sentence. */
export class CsvTableError extends Error {
  override readonly name = 'CsvTableError'
}

/** The records of a CSV text (RFC 4180, with either end of lines), empty lines left out. Throws CsvTableError. */
export function csvTable(text: string, delimiter: string, rowsMax: number): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let at = 0
  const endRow = () => {
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
    if (rows.length > rowsMax) throw new CsvTableError(`It has more than ${rowsMax} rows`)
  }
  while (at <= text.length) {
    let value = ''
    if (text[at] === '"') {
      for (;;) {
        const close = text.indexOf('"', at + 1)
        if (close < 0) throw new CsvTableError(`A quote is not closed in row ${rows.length + 1}`)
        value += text.slice(at + 1, close)
        at = close + 1
        if (text[at] !== '"') break
        value += '"'
      }
    } else {
      const from = at
      while (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') at++
      value = text.slice(from, at)
    }
    row.push(value)
    if (text[at] === delimiter) {
      at++
      continue
    }
    if (text[at] === '\r' && text[at + 1] === '\n') at++
    if (at < text.length && text[at] !== '\n' && text[at] !== '\r')
      throw new CsvTableError(`Something follows a closing quote in row ${rows.length + 1}`)
    at++
    endRow()
  }
  if (row.length > 0) endRow()
  return rows
}
