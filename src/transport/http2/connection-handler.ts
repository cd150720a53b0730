import type { RequestHead } from './head.ts'
import type { Http2Stream } from './stream.ts'

/** Who is told what a connection brings. */
export interface ConnectionHandler {
  /** A request. `list`: its names and values in turn. To be given a reader before this returns, or an answer. */
  open(stream: Http2Stream, head: RequestHead, list: readonly string[]): void
  /** A request whose head is larger than `limits.headerBytesMax`, to be answered. */
  headTooLarge(stream: Http2Stream): void
  /** The client broke the protocol, and the connection is being closed. */
  broken(text: string): void
  /** Something of ours broke; the connection is cut. */
  failed(error: unknown): void
  /** Once, when its last stream is gone and the socket is closed. */
  closed(): void
}
