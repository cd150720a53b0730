/** What is wrong with a file of the log, in a sentence that names it. */
import type { SegmentEvent } from '../segment/events.ts'

export function describeEvent(event: SegmentEvent): string {
  switch (event.kind) {
    case 'torn_tail':
      return `${event.file}: ends in ${event.bytes} bytes of an unfinished record at byte ${event.position}; it may not have been acknowledged`
    case 'bad_record': {
      const which = event.offset === undefined ? 'a record' : `record ${event.offset}`
      return `${event.file}: ${which} at byte ${event.position} (${event.bytes} bytes) is damaged: ${event.reason}`
    }
    case 'segment_unreadable':
      return `${event.file}: cannot be read: ${event.reason}`
    case 'segment_deleted':
      return `${event.file}: was deleted: ${event.reason}`
    case 'disk_full':
    case 'disk_failed':
      return `${event.file}: ${event.reason}`
    case 'disk_recovered':
      return `${event.file}: can be written again`
  }
}
