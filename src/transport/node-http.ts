/**
 * `node:http` without its import: that reads each of its exports once, also WebSocket and its kin, and for those Node.js
 * loads the whole of its HTTP client, undici: half of the CPU time of a program that does nothing else.
 */
export const { createServer } = process.getBuiltinModule('node:http')
