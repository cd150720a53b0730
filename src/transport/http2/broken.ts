import type { Http2Code } from './frames.ts'

/** A connection error (RFC 9113, 5.4.1): a code for GOAWAY, and a text for whoever looks into it. */
export class Broken extends Error {
  readonly code: Http2Code

  constructor(code: Http2Code, text: string) {
    super(text)
    this.code = code
  }
}
