/** What a listener and its reader's thread say to each other. Types alone, so that the thread need not load TypeScript. */

/** Memory that both threads have. */
export interface RingMemory {
  readonly state: SharedArrayBuffer
  readonly bytes: SharedArrayBuffer
}

/** Why a datagram was dropped before it was handed on; `dropReasons` of the ring has the same in the same order. */
export type DropReason = 'queue' | 'kernel' | 'empty' | 'too_large'

/** What the thread is started with. */
export interface ReaderStart {
  readonly memory: RingMemory
  /** The addresses to bind; those after the first may be missing on this machine. */
  readonly addresses: readonly { readonly address: string; readonly family: number }[]
  /** 0: any, and the same for all addresses. */
  readonly port: number
  readonly bufferBytes: number
  readonly datagramBytesMax: number
  readonly needsPeer: boolean
  /** Of `limits.ts`: `udpReadBytes`, `udpBacklog`, `udpReadsMax`, `udpCountMs`. */
  readonly readBytes: number
  readonly backlog: number
  readonly readsMax: number
  readonly countMs: number
}

/** What the listener says to the thread. `drain`: read what the system has now, then end. */
export type ReaderOrder = { readonly needsPeer: boolean } | 'drain'

/** What the thread says to the listener. */
export type ReaderWord =
  | { readonly kind: 'open'; readonly port: number; readonly bufferBytes: number }
  | { readonly kind: 'refused'; readonly code: string | undefined; readonly message: string }
  | { readonly kind: 'wake' }
