// What both versions share between the walk and the write: rows (one for each item), slots (one for each guid of the
// request, filled by the host) and parts (one for each record that will be written).
//
//   row  32 bytes: start, end, insertAt, removedBytes, removedAt, kind, tuple, state        (all u32 or i32)
//   slot 16 bytes: stampAt, stampBytes, unused, current part
//   part 32 bytes: slot, bytes, items, start, cursor, samples, histograms, exemplars (the last three in 2.0 only)
//
// A row's state is 0 after the walk or minus the reason why the item is refused; the plan turns it into its part.

import { E_MEMORY, arenaResize, arenaTake } from './memory'

export const ROW: usize = 32
export const SLOT: usize = 16
export const PART: usize = 32

export const KIND_SERIES: u32 = 0
export const KIND_METADATA: u32 = 1
export const KIND_UNKNOWN: u32 = 2

/** Why one item is refused while the others of its request are kept. The host adds its own from 16 on. */
export const R_UNSORTED: i32 = 1
export const R_REPEATED: i32 = 2
export const R_EMPTY_NAME: i32 = 3
export const R_UTF8: i32 = 4
export const R_ODD_REFS: i32 = 5
export const R_REF_RANGE: i32 = 6
export const R_ID_LENGTH: i32 = 7
export const R_TEXT: i32 = 8
/** The host's verdict on a series without a guid; metadata cannot carry one and gets a reason of its own. */
export const R_GUID_MISSING: i32 = 16
export const R_METADATA_GUID_MISSING: i32 = 17

/** Address of the first row. */
export let rows: usize = 0
export let rowCount: i32 = 0
/** Address of the host's verdict on each tuple (i32): a slot, or minus a reason. */
export let verdicts: usize = 0
export let slots: usize = 0
export let parts: usize = 0
export let partCount: i32 = 0
/** How many items were refused for each reason. */
export const refused = memory.data(32 * 4)

/** Begins `count` rows. */
export function rowsBegin(count: i32): i32 {
  rows = arenaTake(<usize>count * ROW)
  rowCount = count
  return rows == 0 ? E_MEMORY : 0
}

const ROWS_STEP: i32 = 4096

/** Begins rows whose number is not known yet; no other region may be taken before the last `rowNext`. */
export function rowsOpen(): i32 {
  rows = arenaTake(<usize>ROWS_STEP * ROW)
  rowCount = 0
  return rows == 0 ? E_MEMORY : 0
}

/** Room for one more row: its address, or 0. */
@inline
export function rowNext(): usize {
  const row = rows + <usize>rowCount * ROW
  if ((++rowCount & (ROWS_STEP - 1)) == 0 && !arenaResize(rows, <usize>(rowCount + ROWS_STEP) * ROW)) return 0
  return row
}

/** Makes room for the host's verdicts on `tuples` tuples. Called after the walk. */
export function verdictsTake(tuples: i32): usize {
  verdicts = arenaTake(<usize>tuples << 2)
  return verdicts
}

/** Makes room for the host's slots and, behind them, `stampBytes` bytes of stamps. */
export function slotsTake(count: i32, stampBytes: i32): usize {
  slots = arenaTake(<usize>count * SLOT + <usize>stampBytes)
  for (let i = 0; i < count; i++) store<i32>(slots + <usize>i * SLOT, -1, 12)
  return slots
}

/** Forgets the rows from `count` on. */
export function rowsKeep(count: i32): void {
  rowCount = count
}

/** Makes room for as many parts as there are rows. */
export function partsBegin(): i32 {
  return partsTake(rowCount)
}

/** Makes room for `count` parts. */
export function partsTake(count: i32): i32 {
  parts = arenaTake(<usize>count * PART)
  partCount = 0
  memory.fill(refused, 0, 32 * 4)
  return parts == 0 ? E_MEMORY : 0
}

/** Begins a part of the slot; its number. */
export function partNew(slot: i32): i32 {
  const part = parts + <usize>partCount * PART
  memory.fill(part, 0, PART)
  store<i32>(part, slot)
  store<i32>(slots + <usize>slot * SLOT, partCount, 12)
  return partCount++
}

@inline
export function partAt(i: i32): usize {
  return parts + <usize>i * PART
}

export function refuse(row: usize, reason: i32): void {
  refuseItems(row, reason, 1)
}

/** Refuses a row that holds `items` items. */
export function refuseItems(row: usize, reason: i32, items: i32): void {
  store<i32>(row, -reason, 28)
  countRefused(reason, items)
}

export function countRefused(reason: i32, items: i32): void {
  const count = refused + (<usize>reason << 2)
  store<u32>(count, load<u32>(count) + items)
}
