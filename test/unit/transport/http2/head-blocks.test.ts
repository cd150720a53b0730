/** Header blocks that come again: they are read once, as long as what they stand for stays the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadBlocks } from '../../../../src/transport/http2/head-blocks.ts'

/** A field that the table keeps: its name and its value as plain strings (RFC 7541, 6.2.1). */
function kept(name: string, value: string): Buffer {
  return Buffer.from([0x40, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)])
}

/** The newest field of the dynamic table (2.3.3). */
const newest = Buffer.of(0x80 | 62)
/** The table is emptied and has its size again (6.3). */
const emptied = Buffer.of(0x20, 0x3f, 0xe1, 0x1f)

function read(blocks: HeadBlocks, block: Buffer): readonly string[] {
  blocks.begin(1, true)
  // It lies anywhere in what the socket was read in.
  const chunk = Buffer.concat([Buffer.from('before'), block, Buffer.from('behind')])
  assert.equal(blocks.decode(chunk, 6, 6 + block.length), 'ok')
  return blocks.list
}

test('the same octets are the same list, until the table says otherwise', () => {
  const blocks = new HeadBlocks()
  read(blocks, kept('a', '1'))
  const first = read(blocks, newest)
  assert.deepEqual(first, ['a', '1'])
  assert.equal(read(blocks, newest), first, 'read once')
  read(blocks, kept('b', '2'))
  assert.deepEqual(read(blocks, newest), ['b', '2'], 'the same octets stand for another field now')
  assert.deepEqual(first, ['a', '1'], 'what was handed on stays as it was')
})

test('a block that changes the table is read each time', () => {
  const blocks = new HeadBlocks()
  const block = kept('a', '1')
  for (let i = 0; i < 3; i++) assert.deepEqual(read(blocks, block), ['a', '1'])
  read(blocks, kept('b', '2'))
  read(blocks, block)
  assert.deepEqual(read(blocks, Buffer.concat([newest, Buffer.of(0x80 | 63)])), ['a', '1', 'b', '2'])
})

test('an index that stands for nothing any more is refused, though it came before', () => {
  const blocks = new HeadBlocks()
  read(blocks, kept('a', '1'))
  read(blocks, newest)
  read(blocks, emptied)
  blocks.begin(3, true)
  assert.equal(blocks.decode(newest, 0, 1), 'broken')
})

test('a longer block that begins like the last one is another one, and so is one of several frames', () => {
  const blocks = new HeadBlocks()
  read(blocks, kept('a', '1'))
  assert.deepEqual(read(blocks, newest), ['a', '1'])
  assert.deepEqual(read(blocks, Buffer.concat([newest, newest])), ['a', '1', 'a', '1'])
  blocks.begin(5, true)
  assert.equal(blocks.add(newest, 0, 1), true)
  assert.equal(blocks.decode(newest, 0, 1), 'ok')
  assert.deepEqual(blocks.list, ['a', '1', 'a', '1'])
  assert.deepEqual(read(blocks, newest), ['a', '1'])
})
