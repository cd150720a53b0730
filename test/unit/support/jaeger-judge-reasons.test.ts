/** What may differ from the Collector's translation stands in the manual, and says why. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { jaegerReasons, repeatedReasons, zipkinReasons } from '../../support/jaeger-judge-reasons.ts'
import { readText } from '../../support/source-tree.ts'

const columns = '| | here | there | why |'
const pages = [
  ['docs/jaeger.md', [...jaegerReasons, ...repeatedReasons]],
  ['docs/zipkin.md', zipkinReasons],
] as const

for (const [page, reasons] of pages) {
  test(`${page}: each difference that the comparison lets pass is listed, and each that is listed has its reason`, () => {
    const [, table = ''] = readText(page).split(`${columns}\n|---|---|---|---|\n`)
    const rows = table.slice(0, table.indexOf('\n\n')).split('\n')
    const cells = rows.map((row) => row.slice(2, -2).split(' | '))
    assert.ok(cells.length > 10, `${page} has no table with the columns ${columns}`)
    assert.deepEqual(
      cells.filter((row) => row.length !== 4 || row.some((cell) => cell.trim() === '')),
      [],
    )
    const listed = new Set(cells.map(([concerns]) => concerns))
    assert.deepEqual(
      reasons.filter(({ row }) => !listed.has(row)).map(({ row, name }) => `${row}: ${name}`),
      [],
    )
  })
}
