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
  // What Node.js has loaded of itself.
  const own = () => /** @type {{ moduleLoadList?: string[] }} */ (process).moduleLoadList ?? []
  process.on('exit', () => writeFileSync(file, [...loaded, ...own()].join('\n')))
}
