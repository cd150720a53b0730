/** What all charts are drawn with: text, colours that can be read in light and in dark, and axes. */

/** As many lines as one chart tells apart; more of them begin anew. */
export const coloursMax = 8

const light = ['#2563eb', '#c2410c', '#15803d', '#7c3aed', '#be123c', '#0e7490', '#a16207', '#475569']
const dark = ['#7aa7ff', '#ff9a62', '#5fd38a', '#b79cff', '#ff7d99', '#4fd0e6', '#e5c04d', '#a9b6c8']

function palette(colours: readonly string[], ink: string, faint: string): string {
  const rules = colours.map((colour, index) => `.c${index}{fill:${colour};stroke:${colour}}`).join('')
  return `text{fill:${ink}}.axis{stroke:${faint}}.ink{stroke:${ink}}${rules}`
}

const style =
  `text{font:12px system-ui,sans-serif;stroke:none}.title{font-weight:600;font-size:14px}.end{text-anchor:end}` +
  `.mid{text-anchor:middle}.axis{stroke-width:1}.ink{stroke-width:1.5;fill:none}.line{stroke-width:2;fill:none}` +
  `${palette(light, '#1f2328', '#d0d7de')}.line{fill:none}` +
  `@media(prefers-color-scheme:dark){${palette(dark, '#e6edf3', '#3d444d')}.line{fill:none}}`

/** A whole picture; `what` says to those who cannot see it what it shows. */
export function picture(width: number, height: number, what: string, parts: readonly string[]): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">\n` +
    `<title>${escaped(what)}</title>\n<style>${style}</style>\n${parts.join('\n')}\n</svg>\n`
  )
}

export function text(x: number, y: number, words: string, classes = ''): string {
  return `<text x="${at(x)}" y="${at(y)}"${classes === '' ? '' : ` class="${classes}"`}>${escaped(words)}</text>`
}

export function segment(x1: number, y1: number, x2: number, y2: number, classes: string): string {
  return `<path d="M${at(x1)} ${at(y1)}L${at(x2)} ${at(y2)}" class="${classes}"/>`
}

export function escaped(words: string): string {
  return words
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** A coordinate to a tenth of a pixel. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** From a value to a place; `isLog`: equal factors are equal distances. */
export function scale(
  [from, to]: readonly [number, number],
  [begin, end]: readonly [number, number],
  isLog: boolean,
): (value: number) => number {
  const place = isLog ? Math.log : (value: number): number => value
  const length = place(to) - place(from)
  return (value) => (length === 0 ? begin : begin + ((place(value) - place(from)) / length) * (end - begin))
}

/** Round values from 0 to the first that is not below `max`, some five of them. */
export function linearTicks(max: number): number[] {
  const step = roundUp(max / 5)
  const count = Math.ceil(max / step - 1e-9)
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)))
}

/** 1, 2 and 5 times powers of ten, from the last that is not above `min` to the first that is not below `max`. */
export function logTicks(min: number, max: number): number[] {
  const all: number[] = []
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++)
    for (const digit of [1, 2, 5]) all.push(Number((digit * 10 ** power).toPrecision(12)))
  const first = all.findLastIndex((tick) => tick <= min)
  const last = all.findIndex((tick) => tick >= max)
  return all.slice(Math.max(first, 0), last + 1)
}

function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 2, 2.5, 5, 10].find((digit) => digit * power >= value - 1e-12) ?? 10)
}
