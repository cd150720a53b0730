/** Thrown inside this folder only: the text is not what it should be. `message` says what was expected. */
export class Malformed extends Error {
  /** Index of the byte. */
  readonly at: number
  /** The text may be right, but what it becomes is larger than it may be. */
  readonly isTooLarge: boolean

  constructor(at: number, message: string, isTooLarge = false) {
    super(message)
    this.name = 'Malformed'
    this.at = at
    this.isTooLarge = isTooLarge
  }
}
