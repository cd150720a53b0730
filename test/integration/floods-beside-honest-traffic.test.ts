/** Floods of small things, and all floods at once, beside honest senders. */
import { testFlood, testTogether } from '../support/honest.ts'

testFlood('deep')
testFlood('resets')
testFlood('datagrams')
testFlood('connections')
testTogether([
  ...(['bombs', 'halfSent', 'longJson', 'manyGuids'] as const),
  ...(['deep', 'resets', 'datagrams', 'connections'] as const),
])
