/** What listeners and the thread that reads their ports say to each other. Types alone, so that the thread need not load TypeScript. */

/** Memory that both threads have. */
export interface RingMemory {
  readonly state: SharedArrayBuffer
  readonly bytes: SharedArrayBuffer
}

/** Why a datagram was dropped before it was handed on; `dropReasons` of the ring has the same in the same order. */
export type DropReason = 'queue' | 'kernel' | 'empty' | 'too_large'

/** What the thread is started with, of `limits.ts`: `udpReadBytes`, `udpBacklog`, `udpReadsMax`, `udpCountMs`. */
export interface ThreadStart {
  readonly readBytes: number
  readonly backlog: number
  readonly readsMax: number
  readonly countMs: number
}

/** What a port is opened with. */
export interface PortStart {
  readonly memory: RingMemory
  /** The addresses to bind; those after the first may be missing on this machine. */
  readonly addresses: readonly { readonly address: string; readonly family: number }[]
  /** 0: any, and the same for all addresses. */
  readonly port: number
  /** Whether other processes may read the same port (SO_REUSEPORT). */
  readonly isShared: boolean
  readonly bufferBytes: number
  readonly datagramBytesMax: number
  readonly needsPeer: boolean
}

/** What a listener says of its port. `drain`: read what the system has now, then close; `close`: at once, without a word. */
export type PortOrder =
  | { readonly kind: 'open'; readonly start: PortStart }
  | { readonly kind: 'peer'; readonly needsPeer: boolean }
  | { readonly kind: 'drain' }
  | { readonly kind: 'close' }

/** Why a port could not be opened, or was closed without an order. */
export interface PortFault {
  readonly code: string | undefined
  readonly message: string
}

/** What the thread says of a port. `closed` is the last word of it; without a fault it was ordered. */
export type PortWord =
  | { readonly kind: 'open'; readonly port: number; readonly bufferBytes: number }
  | { readonly kind: 'wake' }
  | { readonly kind: 'closed'; readonly fault: PortFault | undefined }

/** An order or a word, with the number that its port has in this thread; a port that is opened again has another. */
export interface Addressed<T> {
  readonly number: number
  readonly content: T
}
