/** For `node --import`: writes what the process has loaded to the file LOADED_MODULES when it ends, one name a line. */
import { writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/** @type {string[]} */
const loaded = []
const file = process.env['LOADED_MODULES']

if (isMainThread && file !== undefined) {
  registerHooks({
    load: (url, context, next) => {
      loaded.push(url)
      return next(url, context)
    },
  })
  // Ajv's validators are text, compiled when a schema is.
  globalThis.Function = new Proxy(Function, {
    construct: (target, parts) => {
      if (String(parts.at(-1)).includes('validate')) loaded.push('a validator')
      return Reflect.construct(target, parts)
    },
  })
  // What Node.js has loaded of itself.
  const own = () => /** @type {{ moduleLoadList?: string[] }} */ (process).moduleLoadList ?? []
  process.on('exit', () => writeFileSync(file, [...loaded, ...own()].join('\n')))
}
