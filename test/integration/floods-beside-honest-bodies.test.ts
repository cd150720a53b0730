/** Bodies that cost much, beside honest senders: none of theirs is lost, and they wait hardly longer. */
import { quietMsMinOfTurns, testFlood } from '../support/honest.ts'

testFlood('bombs')
testFlood('halfSent')
testFlood('longJson', quietMsMinOfTurns)
testFlood('manyGuids', quietMsMinOfTurns)
