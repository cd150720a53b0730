/**
 * The names of the kernel's functions, which its committed bytes do not hold: the same source is compiled once more
 * and its text is read. Only for profiles.
 */
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const folder = fileURLToPath(new URL('../../src/wire/kernel/', import.meta.url))

// As src/wire/kernel/build.ts compiles it; a text is written besides.
const flags =
  'assembly/index.ts --outFile kernel.wasm --textFile kernel.wat --runtime stub -O3 --noAssert ' +
  '--enable simd,bulk-memory --use abort= --initialMemory 32'

let names: Promise<readonly string[]> | undefined

/** By function index; empty when the kernel cannot be compiled here. */
export function kernelFunctionNames(): Promise<readonly string[]> {
  names ??= compile()
  return names
}

async function compile(): Promise<readonly string[]> {
  let text = ''
  await asc.main([...flags.split(' '), '--baseDir', folder], {
    writeFile: (name: string, contents: Uint8Array | string) => {
      if (name.endsWith('.wat')) text = String(contents)
    },
  })
  // Functions stand in the order of their indexes; the kernel imports none.
  return [...text.matchAll(/^ \(func \$(\S+)/gm)].map(([, name]) => name!.replace(/^assembly\//, ''))
}
