import assert from 'node:assert/strict'
import test from 'node:test'
import { limits, MiB } from '../../../src/limits.ts'
import { Budget } from '../../../src/route/budget.ts'
import { type Claim, type Link, networkOf, Shares } from '../../../src/route/shares.ts'

const budgetBytes = 64 * MiB
const readingMax = budgetBytes * limits.bodiesShareMax
let numbers = 0

class World {
  readonly budget = new Budget(budgetBytes)
  readonly shares = new Shares(this.budget)

  open(link: Link, receiver = 'otlp'): Claim {
    return this.shares.open(link, receiver, ++numbers)
  }

  /** A request on a connection of its own. */
  from(address: string, receiver = 'otlp'): Claim {
    return this.open(this.shares.connect(address), receiver)
  }

  /** Takes as much as it is given, and says how much that was. */
  fill(claim: Claim, stepBytes = MiB / 4): number {
    let bytes = 0
    while (claim.take(stepBytes)) bytes += stepBytes
    return bytes
  }
}

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) <= MiB / 2, `${actual / MiB} MiB, not ${expected / MiB}`)

test('a request that is alone may have all that bodies may have, a second one of its connection no more than two thirds', () => {
  const world = new World()
  const alone = world.from('10.0.0.1')
  assert.equal(world.fill(alone), readingMax)
  assert.equal(alone.shortage(1), 'overloaded')
  alone.give(readingMax)
  assert.deepEqual([world.budget.bytes, world.shares.reading], [0, 0])

  const link = world.shares.connect('10.0.0.1')
  const [first, second] = [world.open(link), world.open(link)]
  assert.ok(second.take(1))
  near(world.fill(first), (readingMax * 2) / 3)
  assert.equal(first.shortage(MiB), 'over_share')
  assert.equal(second.take(MiB), false, 'they are one connection')
})

test('whoever comes later finds room: another connection, another address, another receiver', () => {
  const world = new World()
  world.from('10.0.0.9', 'zipkin').take(1)
  const flood = ['10.0.0.1', '10.0.0.1', '10.0.0.1', '10.0.0.1'].map((at) => world.fill(world.from(at)))
  near(
    flood.reduce((sum, bytes) => sum + bytes, 0),
    (readingMax * 4) / 5,
  )
  assert.equal(world.from('10.0.0.1').take(MiB), false, 'an address has four fifths')
  assert.ok(world.from('10.0.0.1').take(limits.shareBytesMin), 'its small requests are taken')
  assert.ok(world.from('10.0.0.2').take(MiB))
  for (let i = 3; i < 15; i++) world.fill(world.from(`10.0.0.${i}`))
  assert.equal(world.from('10.0.0.31').take(MiB), false, 'a receiver has eight ninths')
  assert.ok(world.from('10.0.0.31', 'jaeger').take(MiB), 'another one has room still')
})

test('many connections have equal parts in the end, and each its own back', () => {
  const world = new World()
  const claims = Array.from({ length: 20 }, (_, i) => world.from(`10.0.1.${i}`, `r${i % 5}`))
  const held = claims.map(() => 0)
  for (let round = 0; round < 2_000; round++) {
    for (const [i, claim] of claims.entries()) if (claim.take(16_384)) held[i]! += 16_384
  }
  const [least, most] = [Math.min(...held), Math.max(...held)]
  assert.ok(most - least <= 2 * 16_384, `${least} to ${most}`)
  near(most, (readingMax * 2) / (1 + 2 * 20))
  for (const [i, claim] of claims.entries()) claim.give(held[i]!)
  assert.deepEqual([world.budget.bytes, world.shares.reading], [0, 0])
})

test('records that wait: two thirds for a connection, and a large request of one of which nothing waits', () => {
  const world = new World()
  const link = world.shares.connect('10.0.0.1')
  let waiting = 0
  const wait = (claim: Claim, bytes: number): boolean => {
    if (!claim.wait(bytes)) return false
    world.budget.force(bytes)
    waiting += bytes
    return true
  }
  assert.ok(wait(world.open(link), budgetBytes / 2), 'nothing waits yet')
  while (wait(world.open(link), MiB)) assert.ok(waiting < budgetBytes)
  near(waiting, (budgetBytes * 2) / 3)
  assert.ok(wait(world.from('10.0.0.2'), MiB))
  world.budget.give(budgetBytes / 2)
  world.open(link).settled(budgetBytes / 2)
  assert.ok(wait(world.open(link), MiB))
})

test('bodies that came too slowly lose their place while there is pressure, the oldest first, until there is room', () => {
  const world = new World()
  const lost: string[] = []
  const body = (name: string, address: string, bytes: number) => {
    const claim = world.from(address)
    assert.ok(claim.take(bytes), name)
    const unfinished = {
      bytes,
      seenBytes: 0,
      lose: () => {
        lost.push(name)
        claim.give(bytes)
        world.shares.forget(unfinished)
      },
    }
    world.shares.watch(unfinished)
    return unfinished
  }
  const first = body('first', '10.0.0.1', readingMax / 4)
  const second = body('second', '10.0.0.2', readingMax / 8)
  world.shares.look()
  world.shares.look()
  assert.deepEqual(lost, [], 'while there is room for all, each has its time')
  body('third', '10.0.0.3', readingMax / 4)
  second.bytes += limits.paceBytes
  world.shares.look()
  assert.deepEqual(lost, ['first'])
  world.shares.look()
  world.shares.look()
  assert.deepEqual(lost, ['first'], 'less than half is held now')
  assert.equal(first.bytes, readingMax / 4)
})

test('while memory is short small requests are taken, and a large one when it is the only one', () => {
  const world = new World()
  world.shares.lower(2 * MiB)
  const alone = world.from('10.0.0.1')
  assert.ok(alone.take(20 * MiB))
  const other = world.from('10.0.0.2')
  assert.equal(other.take(MiB), false)
  assert.equal(other.shortage(MiB), 'memory')
  assert.equal(world.shares.hasRoom(1), false)
  const small = Array.from({ length: 100 }, (_, i) => world.from(`10.0.2.${i}`))
  const taken = small.filter((claim) => claim.take(50_000))
  assert.equal(taken.length, Math.floor((2 * MiB) / 50_000), 'small ones, up to 2 MiB of them')
  for (const claim of taken) claim.give(50_000)
  alone.give(20 * MiB)
  assert.ok(alone.take(64 * 1024))
  assert.ok(other.take(4 * MiB), 'the only large one')
  assert.equal(world.from('10.0.0.3').take(4 * MiB), false)
  other.give(4 * MiB)
  world.shares.lower(Number.POSITIVE_INFINITY)
  assert.ok(other.take(4 * MiB))
})

test('addresses are forgotten when they have no connection and hold nothing', () => {
  const world = new World()
  const link = world.shares.connect('10.0.0.1')
  world.shares.connect('::ffff:10.0.0.1').end()
  const claim = world.open(link)
  claim.take(10)
  world.shares.look()
  assert.equal(world.shares.peers, 1)
  link.end()
  world.shares.look()
  assert.equal(world.shares.peers, 1, 'it still holds something')
  claim.give(10)
  world.shares.look()
  assert.equal(world.shares.peers, 0)
})

test('a sender of IPv6 is its network', () => {
  for (const [address, expected] of [
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    ['', ''],
  ] as const) {
    assert.equal(networkOf(address), expected, address)
  }
})
