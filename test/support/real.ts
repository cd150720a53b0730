/**
 * Tests that need a real program (Kafka, Prometheus) ask here whether it can be had. On a newcomer's machine such a
 * test is skipped with one line that says how to have the program. In CI nothing may be skipped, so there a missing
 * program is a failure: `CI=true`, or `GUIDEPOST_REAL=require` anywhere else.
 */

/** Returns the reason to skip, or false when the program is there. Throws when it is missing and must not be. */
export async function requireReal(
  what: string,
  probe: () => Promise<string | false>,
): Promise<string | false> {
  const missing = await probe()
  if (missing === false) return false
  const must = process.env['CI'] === 'true' || process.env['GUIDEPOST_REAL'] === 'require'
  if (must) throw new Error(`${what} is required here and is missing: ${missing}`)
  return `${what}: ${missing}`
}
