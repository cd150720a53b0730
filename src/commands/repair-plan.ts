/** For each thing that is wrong in a folder: what it is, what it costs, what a repair does about it. */
import { basename, dirname, join } from 'node:path'
import type { SegmentEvent } from '../segment/events.ts'
import type { FileSystem } from '../segment/file-system.ts'
import { quarantineFolder } from '../segment/format.ts'
import { copyDamaged, cutTail, isOfNoUse, setSegmentAside } from '../segment/repair.ts'
import { writeCursor } from '../spool/cursor.ts'
import type { SpoolReport } from '../spool/inspect.ts'
import { describeEvent } from './describe-event.ts'
import type { Found } from './inspect-folder.ts'

export interface RepairStep {
  /** A sentence that begins with the file. */
  readonly problem: string
  readonly lost: string
  /** What is done, or why nothing can be. */
  readonly action: string
  /** Rejects with what the disk says; may be tried again. Undefined: nothing can be done. */
  readonly apply: (() => Promise<void>) | undefined
}

/** In the order in which they are to be made. Changes nothing. */
export async function planRepair(found: readonly Found[], fs: FileSystem): Promise<RepairStep[]> {
  const steps: RepairStep[] = []
  for (const each of found) {
    const step = await stepFor(each, fs)
    if (step !== undefined) steps.push(step)
  }
  // The new cursor may be made of what is left over of another.
  return steps.concat(found.flatMap((each) => (each.kind === 'leftover' ? leftoverStep(each.file, fs) : [])))
}

async function stepFor(each: Found, fs: FileSystem): Promise<RepairStep | undefined> {
  switch (each.kind) {
    case 'finding':
      return await findingStep(each.event, fs)
    case 'overlap':
      return {
        problem: `${each.file}: offsets ${each.first} to ${each.last} are in an earlier segment too`,
        lost: 'nothing yet; records of another log may be read as records of this one',
        action: 'none: which of the files belongs here cannot be told; move the other one away',
        apply: undefined,
      }
    case 'spool':
      return cursorStep(each, fs)
    case 'lock':
      return each.isHeld ? undefined : lockStep(each.path, each.owner)
    default:
      return undefined
  }
}

/** Who repairs takes the lock, and leaves none behind. */
export function lockStep(path: string, owner: string): RepairStep {
  return {
    problem: `${path}: was left behind by ${owner}`,
    lost: 'nothing; the next start would take it over',
    action: 'remove it',
    apply: () => Promise.resolve(),
  }
}

async function findingStep(event: SegmentEvent, fs: FileSystem): Promise<RepairStep | undefined> {
  const problem = describeEvent(event)
  const aside = join(dirname(event.file), quarantineFolder)
  switch (event.kind) {
    case 'torn_tail': {
      const { file, position } = event
      return {
        problem,
        lost: 'nothing that was acknowledged, if a kill or a power cut left it so; its bytes are kept',
        action: `copy ${bytesFrom(event)} to ${aside}, then cut the file to ${position} bytes`,
        apply: () => cutTail(fs, file, position),
      }
    }
    case 'bad_record': {
      if (event.quarantine !== undefined) return undefined
      const { file, position, bytes, offset } = event
      const which = offset === undefined ? 'one record or more' : `record ${offset}`
      return {
        problem,
        lost: `${which}, which may have been acknowledged; what is there of it is kept`,
        action: `copy ${bytesFrom(event)} to ${aside}; readers pass over them`,
        apply: () => copyDamaged(fs, file, position, bytes),
      }
    }
    case 'segment_unreadable':
      return await segmentStep(problem, event.file, aside, fs)
    default:
      return undefined
  }
}

async function segmentStep(
  problem: string,
  file: string,
  aside: string,
  fs: FileSystem,
): Promise<RepairStep> {
  if (await isOfNoUse(fs, file)) {
    return {
      problem,
      lost: 'every record in it, which may have been acknowledged; the file is kept',
      action: `move it to ${join(aside, basename(file))}`,
      apply: () => setSegmentAside(fs, file),
    }
  }
  return {
    problem,
    lost: 'nothing yet: what keeps it from being read may pass, and it is passed over until then',
    action: 'none: look after its disk and the right to read it, or read it with the version that wrote it',
    apply: undefined,
  }
}

function bytesFrom({ position, bytes }: { position: number; bytes: number }): string {
  return `bytes ${position} to ${position + bytes - 1}`
}

function cursorStep({ cursor, directory, undelivered }: SpoolReport, fs: FileSystem): RepairStep | undefined {
  if (cursor.state !== 'unreadable') return undefined
  const { safeOffset } = cursor
  return {
    problem: cursor.reason,
    lost: `nothing; up to ${undelivered.records} records are delivered once more, with the batch ids that they had`,
    action: `write it anew with offset ${safeOffset}: nothing below it is still to be delivered`,
    apply: () => writeCursor(fs, directory, safeOffset),
  }
}

function leftoverStep(file: string, fs: FileSystem): RepairStep {
  return {
    problem: `${file}: was not finished`,
    lost: 'nothing; nobody needs it',
    action: 'remove it',
    apply: async () => {
      const isThere = await fs.stat(file).then(
        () => true,
        () => false,
      )
      if (isThere) await fs.unlink(file)
    },
  }
}
