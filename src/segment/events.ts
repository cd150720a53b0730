/** What a log tells about itself. Paths are those of the files concerned. */
export type SegmentEvent =
  | {
      /** An unfinished record. What a dying writer leaves was never acknowledged; a cut by hand looks the same. */
      readonly kind: 'torn_tail'
      readonly file: string
      readonly position: number
      readonly bytes: number
    }
  | {
      /** Bytes that once may have been a record. What was acknowledged may be among them. */
      readonly kind: 'bad_record'
      readonly file: string
      readonly position: number
      readonly bytes: number
      /** Unknown when the head itself is damaged. */
      readonly offset: number | undefined
      readonly reason: string
      /** The file with the copy, when one was made. */
      readonly quarantine: string | undefined
    }
  | {
      readonly kind: 'segment_unreadable'
      readonly file: string
      readonly bytes: number
      readonly reason: string
      readonly quarantine: string | undefined
    }
  | {
      readonly kind: 'segment_deleted'
      readonly file: string
      readonly bytes: number
      readonly reason: string
    }
  | { readonly kind: 'disk_full' | 'disk_failed'; readonly file: string; readonly reason: string }
  | { readonly kind: 'disk_recovered'; readonly file: string }

export type OnSegmentEvent = (event: SegmentEvent) => void
