/** Rows of figures as text: the names on top, numbers to the right. */
export function tableText(rows: readonly object[]): string {
  const names = Object.keys(rows[0] ?? {})
  const lines = rows.map((row) => Object.values(row).map(cellOf))
  const widths = names.map((name, at) =>
    Math.max(name.length, ...lines.map((cells) => cells[at]?.length ?? 0)),
  )
  return [names, ...lines]
    .map((cells) => cells.map((cell, at) => cell.padStart(widths[at] ?? 0)).join('  '))
    .join('\n')
}

function cellOf(value: unknown): string {
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value)
  return value.toFixed(Math.abs(value) < 10 ? 2 : 0)
}
