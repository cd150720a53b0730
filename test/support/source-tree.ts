/** The source files as text: what they import, how long they are. Read by the tidy test. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

export const ROOT = path.resolve(import.meta.dirname, '../..')

/** Files under version control and new ones that are not ignored, relative to the root, with forward slashes. */
export function projectFiles(): string[] {
  const options = ['ls-files', '--cached', '--others', '--exclude-standard', '-z']
  const output = execFileSync('git', options, { cwd: ROOT, encoding: 'utf8' })
  return [...new Set(output.split('\0'))]
    .filter((file) => file !== '' && existsSync(path.join(ROOT, file)))
    .sort()
}

export function readText(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8')
}

/** The files of the project that `file` names in imports, exports, `import()` or `new URL('./…', import.meta.url)`. */
export function localImports(file: string): string[] {
  const text = readText(file)
  const { importedFiles } = ts.preProcessFile(text, true, true)
  const urls = [...text.matchAll(/new URL\('(\.[^']+)', import\.meta\.url\)/g)].map(([, url]) => url ?? '')
  return [...importedFiles.map(({ fileName }) => fileName), ...urls]
    .filter((name) => name.startsWith('.'))
    .map((name) => path.posix.join(path.posix.dirname(file), name))
}

export interface NumberLiteral {
  readonly line: number
  readonly text: string
  readonly value: number
}

/** Number literals, and shifts of one literal by another, with the number they come to. */
export function numberLiterals(file: string): NumberLiteral[] {
  const source = ts.createSourceFile(file, readText(file), ts.ScriptTarget.Latest, true)
  const found: NumberLiteral[] = []
  const visit = (node: ts.Node): void => {
    const value = numberOf(node)
    if (value !== undefined) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart())
      found.push({ line: line + 1, text: node.getText(), value })
      return
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function numberOf(node: ts.Node): number | undefined {
  if (ts.isNumericLiteral(node)) return Number(node.text)
  if (ts.isBigIntLiteral(node)) return Number(node.text.replace(/n$/, ''))
  if (!ts.isBinaryExpression(node)) return undefined
  const left = numberOf(node.left)
  const right = numberOf(node.right)
  if (left === undefined || right === undefined) return undefined
  switch (node.operatorToken.kind) {
    case ts.SyntaxKind.LessThanLessThanToken:
      return left * 2 ** right
    case ts.SyntaxKind.AsteriskAsteriskToken:
      return left ** right
    case ts.SyntaxKind.AsteriskToken:
      return left * right
    default:
      return undefined
  }
}
