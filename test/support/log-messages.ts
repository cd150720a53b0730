/**
 * The messages of the program's log at level warn and above, found in the source: each place that writes one gives it as
 * a text, or is named here as one that hands on what others say. Holes of templates become `…`.
 */
import ts from 'typescript'
import { projectFiles, readText } from './source-tree.ts'

/** Methods whose last argument is a message; the others are the logger's own. */
const METHODS = new Set(['warn', 'error', 'fatal', 'told', 'noted', 'warned', 'onOffsetError'])
const LEVELS = new Set(['warn', 'error', 'fatal'])
/** Functions whose result is a message, by file. */
const MESSAGE_FUNCTIONS = new Set(['src/bus/topics.ts describeRisk'])

/** Where a message comes from elsewhere: `file: expression`, and from where. */
export const handedOn: Readonly<Record<string, string>> = {
  'src/bus/partitioned-bus.ts: risk': 'describeRisk',
  'src/bus/partitioned-bus.ts: text': 'calls of onOffsetError',
  'src/gateway.ts: message': 'calls of told and warned',
  'src/gateway.ts: error.message': 'what a sender was told, a line of the table of codes',
  'src/listeners.ts: message': 'calls of told',
  'src/main.ts: error.message': 'a coded error at start, a line of the table of codes',
  'src/main.ts: formatProblem(warning)': 'what `guidepost check` says of a configuration',
  'src/receivers/intake.ts: error.message': 'what a sender was told, a line of the table of codes',
}

export interface LogMessage {
  readonly message: string
  /** `file:line` */
  readonly place: string
}

/**
 * Everything that the source logs above level info, and the places where no text was found: `file: expression`. Commands
 * and the configuration log nothing: they write for whoever called them.
 */
export function logMessages(): {
  readonly messages: readonly LogMessage[]
  readonly other: readonly string[]
} {
  const messages: LogMessage[] = []
  const other: string[] = []
  const files = projectFiles().filter(
    (file) =>
      /^src\/.*\.(ts|mjs)$/.test(file) && !/^src\/(commands|config|wire\/kernel\/assembly)\//.test(file),
  )
  for (const file of files) {
    const source = ts.createSourceFile(file, readText(file), ts.ScriptTarget.Latest, true)
    const found = (expression: ts.Expression): void => {
      const texts = textsOf(expression)
      if (texts.length === 0) other.push(`${file}: ${expression.getText()}`)
      const { line } = source.getLineAndCharacterOfPosition(expression.getStart())
      for (const message of texts) messages.push({ message, place: `${file}:${line + 1}` })
    }
    const visit = (node: ts.Node): void => {
      const message = messageOfCall(node) ?? messageOfWording(node)
      if (message !== undefined) found(message)
      if (ts.isFunctionDeclaration(node) && MESSAGE_FUNCTIONS.has(`${file} ${node.name?.text}`))
        returned(node).forEach(found)
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return { messages, other }
}

/** Of `log.warn(fields, message)` and the like. */
function messageOfCall(node: ts.Node): ts.Expression | undefined {
  if (!ts.isCallExpression(node)) return undefined
  const { expression } = node
  const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression
  if (!ts.isIdentifier(name) || !METHODS.has(name.text)) return undefined
  const [first] = node.arguments
  if (first !== undefined && ts.isStringLiteral(first) && first.text === 'info') return undefined
  return node.arguments.at(-1)
}

/** Of `{ level: 'warn', message: '…' }`. */
function messageOfWording(node: ts.Node): ts.Expression | undefined {
  if (!ts.isObjectLiteralExpression(node)) return undefined
  const initializerOf = (name: string): ts.Expression | undefined =>
    node.properties.filter(ts.isPropertyAssignment).find((property) => property.name.getText() === name)
      ?.initializer
  const level = initializerOf('level')
  const isAbove = level !== undefined && ts.isStringLiteral(level) && LEVELS.has(level.text)
  return isAbove ? initializerOf('message') : undefined
}

/** What an expression may come to; none when it cannot be seen from here. */
function textsOf(expression: ts.Expression): string[] {
  if (ts.isStringLiteralLike(expression)) return [expression.text]
  if (ts.isTemplateExpression(expression)) return [templateText(expression)]
  if (ts.isParenthesizedExpression(expression)) return textsOf(expression.expression)
  if (ts.isConditionalExpression(expression))
    return [...textsOf(expression.whenTrue), ...textsOf(expression.whenFalse)]
  if (ts.isIdentifier(expression)) {
    const value = valueOfConstant(expression)
    return value === undefined ? [] : textsOf(value)
  }
  if (!ts.isBinaryExpression(expression)) return []
  const right = textsOf(expression.right)
  return textsOf(expression.left).flatMap((left) => right.map((text) => left + text))
}

function templateText({ head, templateSpans }: ts.TemplateExpression): string {
  const part = ({ expression, literal }: ts.TemplateSpan): string => {
    const texts = textsOf(expression)
    return `${texts.length === 1 ? texts[0] : '…'}${literal.text}`
  }
  return head.text + templateSpans.map(part).join('')
}

/** What a `const` of the same function holds. */
function valueOfConstant(name: ts.Identifier): ts.Expression | undefined {
  let scope: ts.Node = name
  while (!ts.isFunctionLike(scope) && !ts.isSourceFile(scope)) scope = scope.parent
  let value: ts.Expression | undefined
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === name.text) value = node.initializer
    ts.forEachChild(node, visit)
  }
  visit(scope)
  return value
}

function returned(of: ts.Node): ts.Expression[] {
  const found: ts.Expression[] = []
  const visit = (node: ts.Node): void => {
    if (
      ts.isReturnStatement(node) &&
      node.expression !== undefined &&
      node.expression.getText() !== 'undefined'
    )
      found.push(node.expression)
    ts.forEachChild(node, visit)
  }
  visit(of)
  return found
}
