/** The files in proto/ as google.protobuf.FileDescriptorProto, for reflection. */
import { readdir, readFile } from 'node:fs/promises'
import protobuf from 'protobufjs'
import { encodeFile, type TopLevel } from './file-descriptor.ts'

const protoFolder = new URL('../../../proto/', import.meta.url)

interface ProtoFile {
  readonly name: string
  readonly text: string
  readonly package: string
  readonly imports: readonly string[]
  readonly objects: TopLevel[]
  bytes?: Buffer
}

/** Both give the encoded file and all that it imports, directly or not, or undefined when there is none. */
export interface Descriptors {
  byName(file: string): readonly Buffer[] | undefined
  /** A full name of a service, a method, a message, an enumeration, or a field, without a leading dot. */
  bySymbol(symbol: string): readonly Buffer[] | undefined
}

/** Reads the messages in proto/, and serves the files that the named services need. */
export async function loadDescriptors(services: readonly string[]): Promise<Descriptors> {
  const files = new Map<string, ProtoFile>()
  /** The file of each name at the top of one, with a leading dot. */
  const places = new Map<string, string>()
  for (const name of await protoNames()) {
    const text = await readFile(new URL(name, protoFolder), 'utf8')
    const parsed = protobuf.parse(text, { keepCase: true })
    for (const { fullName } of topLevel(parsed.root)) places.set(fullName, name)
    files.set(name, { name, text, package: parsed.package ?? '', imports: parsed.imports ?? [], objects: [] })
  }
  const served = new Set(services.flatMap((service) => withImports(places.get(`.${service}`), files)))
  const root = new protobuf.Root()
  for (const { text } of served) protobuf.parse(text, root, { keepCase: true })
  root.resolveAll()
  // What was parsed into one root does not say which file it came from.
  for (const object of topLevel(root)) files.get(places.get(object.fullName)!)!.objects.push(object)

  const encoded = (name: string | undefined): readonly Buffer[] | undefined => {
    if (!served.has(files.get(name ?? '')!)) return undefined
    return withImports(name, files).map((file) => {
      file.bytes ??= encodeFile(file)
      return file.bytes
    })
  }
  const fileOf = (symbol: string): string | undefined => {
    if (!isDeclared(root, symbol)) return undefined
    for (let name = `.${symbol}`; name !== ''; name = name.slice(0, name.lastIndexOf('.'))) {
      const file = places.get(name)
      if (file !== undefined) return file
    }
    return undefined
  }
  return { byName: encoded, bySymbol: (symbol) => encoded(fileOf(symbol)) }
}

async function protoNames(): Promise<string[]> {
  const names = await readdir(protoFolder, { recursive: true })
  return names.map((name) => name.replaceAll('\\', '/')).filter((name) => name.endsWith('.proto'))
}

/** What stands at the top of the files. */
function topLevel(namespace: protobuf.NamespaceBase): TopLevel[] {
  return namespace.nestedArray.flatMap((nested) => {
    const isTop =
      nested instanceof protobuf.Type || nested instanceof protobuf.Enum || nested instanceof protobuf.Service
    if (isTop) return [nested]
    return nested instanceof protobuf.Namespace ? topLevel(nested) : []
  })
}

function withImports(name: string | undefined, files: ReadonlyMap<string, ProtoFile>): ProtoFile[] {
  const found = new Map<string, ProtoFile>()
  const add = (next: string): void => {
    const file = files.get(next)
    if (file === undefined || found.has(next)) return
    found.set(next, file)
    for (const imported of file.imports) add(imported)
  }
  if (name !== undefined) add(name)
  return [...found.values()]
}

function isDeclared(root: protobuf.Root, symbol: string): boolean {
  const parts = symbol.split('.')
  if (root.lookup(parts) !== null) return true
  const member = parts.at(-1) ?? ''
  const parent = root.lookup(parts.slice(0, -1))
  if (parent instanceof protobuf.Service) return Object.hasOwn(parent.methods, member)
  return parent instanceof protobuf.Type && Object.hasOwn(parent.fields, member)
}
