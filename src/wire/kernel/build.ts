/**
 * Compiles `assembly/` (AssemblyScript) to `kernel-wasm.ts`. The result is committed, so that running the program needs
 * no build; `--check` compiles again and fails when the committed bytes differ.
 */
import { readFile, writeFile } from 'node:fs/promises'
import asc from 'assemblyscript/asc'

const folder = new URL('./', import.meta.url).pathname
const target = `${folder}kernel-wasm.ts`

const { error, stderr, binary } = await compile()
if (error || !binary) {
  process.stderr.write(`${stderr}\n${error?.message ?? 'the compiler wrote nothing'}\n`)
  process.exit(1)
}
const text = `// Made by \`npm run kernel\` from assembly/; not to be edited.\nexport const kernelWasm =\n  '${Buffer.from(binary).toString('base64')}'\n`
if (process.argv.includes('--check')) {
  const committed = await readFile(target, 'utf8').catch(() => '')
  if (committed !== text) {
    process.stderr.write(
      'kernel-wasm.ts is not what assembly/ compiles to: run `npm run kernel` and commit it\n',
    )
    process.exit(1)
  }
  process.stdout.write(`kernel-wasm.ts is current (${binary.length} bytes)\n`)
} else {
  await writeFile(target, text)
  process.stdout.write(`kernel-wasm.ts: ${binary.length} bytes of WebAssembly\n`)
}

async function compile() {
  let wasm: Uint8Array | undefined
  const result = await asc.main(
    [
      'assembly/index.ts',
      '--baseDir',
      folder,
      '--outFile',
      'kernel.wasm',
      '--runtime',
      'stub',
      '-O3',
      '--noAssert',
      '--enable',
      'simd,bulk-memory',
      '--use',
      'abort=',
      '--initialMemory',
      '32',
    ],
    {
      writeFile: (_name: string, contents: Uint8Array | string) => {
        if (typeof contents !== 'string') wasm = contents
      },
    },
  )
  return { error: result.error, stderr: result.stderr.toString(), binary: wasm }
}
