/** From a payload that the kernel holds to its fate, where the bus gets the records as the kernel writes them. */
import { GuidepostError } from '../errors.ts'
import type { Destination } from '../route/batcher.ts'
import type { Claim } from '../route/shares.ts'
import type { GuidRules, RequestGuid } from '../stamp/guid-rules.ts'
import { type Stamping, stamp } from '../stamp/stamp.ts'
import type { Signal } from '../telemetry/ledger.ts'
import type { Body } from '../transport/body.ts'
import type { Kernel } from '../wire/kernel.ts'
import { type Intake, KernelRecords } from './intake.ts'
import { describeRefusals, refusalOf } from './refusals.ts'

/** What is to be done with a payload, and what was known when it began to arrive. */
export interface Forwarding {
  readonly signal: Signal
  readonly stamping: Stamping
  readonly destination: Destination
  readonly rules: GuidRules
  readonly guid: RequestGuid
  /** What the payload was made of; released when its records are copied. */
  readonly message: Body
  readonly claim: Claim
  readonly receivedAtMs: number
  /** The sender's address, for the log; empty: unknown. */
  readonly peer: string
  /** What it may become, for refusals, where that is not what holds for all. */
  readonly bound?: string
  /** What a well-formed message is, for refusals: `ExportTraceServiceRequest`. */
  readonly title: string
  /** An item by what its sender knows of it. */
  readonly nameOf: (kernel: Kernel, row: number) => string
}

/** A payload that was taken as far as it could be: all of it is durable but what was refused for good. */
export interface Forwarded {
  readonly items: number
  /** What its sender is to be told, and of how many items. */
  readonly refused: { readonly error: GuidepostError; readonly count: number } | undefined
}

/** What a request has come to. */
export type Result = Forwarded | GuidepostError

/**
 * Stamps the payload and hands its records over within this turn, for the kernel's sake; `done` is told what became of
 * them, once, now or when the bus knows, and must not throw. A refusal is counted and logged by then. May throw, and then
 * `done` is told nothing.
 */
export function forward(intake: Intake, forwarding: Forwarding, done: (result: Result) => void): void {
  const { kernel } = intake
  const { signal, stamping, destination, rules, guid, message, claim, receivedAtMs, peer } = forwarding
  const stamped = stamp(kernel, stamping, rules, guid, intake.recordBytes)
  if (typeof stamped === 'string') {
    done(intake.refuse(refusalOf(stamped, forwarding.title, '', forwarding.bound), peer))
    return
  }
  const { items } = stamped
  const refused =
    stamped.refused.length === 0
      ? undefined
      : describeRefusals(kernel, stamped, (row) => forwarding.nameOf(kernel, row))
  const records = new KernelRecords(kernel, stamped)
  const submission = intake.submit(signal, destination, records, claim, receivedAtMs, peer)
  if (submission instanceof GuidepostError) {
    done(submission)
    return
  }
  // The records are copies; the message is not needed while they wait for the bus.
  message.release()
  submission.onSettled((failure) => done(resultOf(intake, peer, items, refused, failure)))
}

function resultOf(
  intake: Intake,
  peer: string,
  items: number,
  refused: Forwarded['refused'],
  failure: GuidepostError | undefined,
): Result {
  try {
    if (failure !== undefined) return intake.refuse(failure, peer)
    if (refused !== undefined) intake.tell('items', refused.error, peer)
    return { items, refused }
  } catch (error) {
    return intake.broke(error, peer)
  }
}
