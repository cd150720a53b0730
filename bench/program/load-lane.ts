/** A lane carries one request at a time to the program under load. */

export interface Lane {
  /** Sends the next request; `answered` is called once, when it was answered with success. */
  send(answered: () => void): void
  /** Gives the connection back; what happens on it later is of no interest. */
  close(): void
}

/** Told once why a lane cannot go on: an answer that is no success, or a connection that broke. */
export type LaneFailed = (text: string) => void
