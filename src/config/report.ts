/** How what is wrong in a configuration is told while it is read. */

/** From the top of the file, or of the option at hand, down to what is meant: keys and indices. */
export type Path = readonly (string | number)[]

/** `message` goes on from the path ("is 5, above 4"); `suggestion` is a sentence of its own: what to write instead. */
export type Report = (path: Path, message: string, suggestion?: string) => void
