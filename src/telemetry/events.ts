/**
 * Every name of `guidepost_events_total`, with what it means and what an operator does about it. docs/runbook.md shows
 * them as a table (`node test/support/manuals.ts` writes it). A name, once released, is part of the contract.
 */

export interface EventDefinition {
  /** What has happened, and what of it users notice. */
  readonly meaning: string
  /** What is to be done about it; `Nothing.` where that is so. */
  readonly action: string
}

export const events = {
  bus_up: {
    meaning: 'The bus takes records: Kafka was reached at start, or is back.',
    action: 'Nothing.',
  },
  bus_down: {
    meaning: 'Kafka takes no records, or none of some partitions. Without a spool senders are told to wait.',
    action: 'See [GuidepostBusDown](#guidepostbusdown).',
  },
  memory_short: {
    meaning:
      'The process came near `limits.memoryBytes`: large requests are told to wait, and what was kept for reuse is let go.',
    action: 'If it comes again and again, raise `limits.memoryBytes`, or lower `limits.inflightBytes`.',
  },
  torn_tail: {
    meaning:
      'A record that was being written when the process died was cut off the end of a log or a spool. It was never acknowledged, so its sender still has it.',
    action:
      'Nothing about the file. Find out why the process was killed or the machine lost its power; see [GuidepostDiedWriting](#guidepostdiedwriting).',
  },
  bad_record: {
    meaning:
      'A record that may once have been acknowledged is damaged. It is skipped, the others are read; a copy of its bytes lies in the folder `quarantine`.',
    action: 'See [GuidepostStorageDamaged](#guidepoststoragedamaged).',
  },
  segment_unreadable: {
    meaning: 'A whole file of a log or a spool cannot be read, and is skipped or moved to `quarantine`.',
    action: 'See [GuidepostStorageDamaged](#guidepoststoragedamaged).',
  },
  segment_deleted: {
    meaning: 'A file of the log has reached `log.retentionHours` or `log.retentionBytes` and was removed.',
    action: 'Nothing. Raise them when consumers are slower than that.',
  },
  disk_full: {
    meaning: 'Less than the reserve is free on the disk of a log or a spool. Nothing more is written to it.',
    action: 'See [GuidepostDiskFails](#guidepostdiskfails).',
  },
  disk_failed: {
    meaning:
      'A write or a sync failed. What was in it was not acknowledged; it is tried again every second whether the disk works.',
    action: 'See [GuidepostDiskFails](#guidepostdiskfails).',
  },
  disk_recovered: {
    meaning: 'The disk takes data again.',
    action: 'Nothing.',
  },
  spool_begun: {
    meaning: 'Kafka did not take something, and it was spooled. Senders are answered as before.',
    action: 'See [GuidepostSpoolInUse](#guidepostspoolinuse).',
  },
  spool_emptied: {
    meaning: 'Everything that was spooled is on the bus.',
    action: 'Nothing.',
  },
  spool_stuck: {
    meaning: 'What is in front of the spool cannot be delivered, and all behind it waits.',
    action: 'See [GuidepostSpoolStuck](#guidepostspoolstuck).',
  },
  spool_parked: {
    meaning:
      'Kafka takes some records and not others, for longer than it takes to elect a leader. Those are parked: moved out of the way within the spool, and tried again beside the rest.',
    action:
      'See [GuidepostSpoolStuck](#guidepostspoolstuck): a partition has no leader, or dead letters are refused.',
  },
  spool_parked_delivered: {
    meaning: 'Everything that was parked is on the bus.',
    action: 'Nothing.',
  },
  spool_unavailable: {
    meaning:
      'The folder of the spool cannot be opened. The gateway runs without one: while Kafka is away, senders are told to wait.',
    action:
      'Mend what the log line names, a right, a mount or a full disk. The folder is tried again every second.',
  },
  spool_available: {
    meaning: 'The folder of the spool could be opened at last.',
    action: 'Nothing.',
  },
  spool_not_adopted: {
    meaning:
      'The spool of a worker that there is no more cannot be taken over, because another process has it or its disk fails. What is in it waits.',
    action: 'Stop the process that the log line names, or mend the disk, and start the gateway again.',
  },
  spool_cursor: {
    meaning:
      'The file that says up to where the spool is delivered cannot be read or written. Records that were delivered may be delivered again, with the same `batch_id`.',
    action: 'Look at the disk. Consumers drop what they have seen by `batch_id`.',
  },
  spool_unknown_record: {
    meaning: 'A record of the spool is of a kind that this version does not know. It is kept on the disk.',
    action: 'Did a newer version write it? Start that one again, and let it empty the spool.',
  },
  spool_records_missing: {
    meaning: 'The spool was read to its end, and held fewer records than were put into it: some are damaged.',
    action: 'See [GuidepostStorageDamaged](#guidepoststoragedamaged).',
  },
  sampling_reloaded: {
    meaning: 'The file of the sampling strategies has changed and was taken over.',
    action: 'Nothing.',
  },
  sampling_reload_failed: {
    meaning:
      'The file of the sampling strategies has changed and cannot be used. Clients are told what the last good one said.',
    action: 'Mend the file; the log line names what is wrong with it. It is read again by itself.',
  },
} as const satisfies Readonly<Record<string, EventDefinition>>

export type EventName = keyof typeof events
