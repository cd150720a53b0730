/** The envelope of a datagram for the Jaeger agent's ports: which message it is, and where its batch begins. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeOf, Kernel } from '../../../src/wire/kernel.ts'
import {
  encodeDatagram,
  encodeThrift,
  field,
  list,
  struct,
  thriftTypes as types,
  writeBatch,
  writeText,
  writtenBy,
} from '../../support/jaeger-encode.ts'
import { plainSpan } from '../../support/jaeger-translate.ts'

const kernel = new Kernel()
const batch = { process: { serviceName: 'cart', tags: [] }, spans: [plainSpan()] }
const emitBatch = 1
const emitZipkinBatch = 2

/** What the kernel says of a datagram, and the bytes of the argument. */
function opened(protocol: 'binary' | 'compact', datagram: Buffer): { code: number; argument: Buffer } {
  let code = 0
  let argumentAt = 0
  kernel.begin()
  kernel.putPlain([datagram], datagram.length)
  kernel.translate({
    run: (x, at, bytes) => {
      code = x.readEnvelope(protocol === 'binary' ? 0 : 1, at, bytes)
      argumentAt = (x.argumentAt.value as number) - at
      return 0
    },
  })
  return { code, argument: code < 0 ? Buffer.alloc(0) : datagram.subarray(argumentAt) }
}

for (const protocol of ['binary', 'compact'] as const) {
  const datagram = encodeDatagram(protocol, batch)
  const bare = encodeThrift(protocol, batch)
  /** A message whose arguments are what `write` writes. */
  const message = (name: string, type: number, write: Parameters<typeof writtenBy>[1]): Buffer =>
    writtenBy(protocol, (output) => {
      output.writeMessageBegin(name, type, 123_456_789)
      struct(output, () => write(output))
      output.writeMessageEnd()
    })

  test(`${protocol}: emitBatch holds a batch, whatever the type of the message`, () => {
    for (const type of [1, 4]) {
      const { code, argument } = opened(
        protocol,
        message('emitBatch', type, (output) =>
          field(output, types.STRUCT, 1, () => writeBatch(output, batch)),
        ),
      )
      assert.equal(code, emitBatch)
      assert.deepEqual(argument, Buffer.concat([bare, Buffer.alloc(1)]))
    }
  })

  test(`${protocol}: emitZipkinBatch holds a list`, () => {
    const { code, argument } = opened(
      protocol,
      message('emitZipkinBatch', 4, (output) => list(output, 1, [], () => undefined)),
    )
    assert.equal(code, emitZipkinBatch)
    assert.equal(argument.toString('hex'), protocol === 'binary' ? '0c0000000000' : '0c00')
  })

  test(`${protocol}: unknown arguments before the batch are passed over`, () => {
    const { code, argument } = opened(
      protocol,
      message('emitBatch', 4, (output) => {
        writeText(output, 1, 'of another type')
        writeText(output, 7, 'unknown')
        field(output, types.STRUCT, 1, () => writeBatch(output, batch))
      }),
    )
    assert.equal(code, emitBatch)
    assert.deepEqual(argument, Buffer.concat([bare, Buffer.alloc(1)]))
  })

  test(`${protocol}: another method is named as such`, () => {
    for (const name of ['', 'emit', 'emitbatch', 'emitBatcH', 'emitZipkinbatch', 'getSamplingStrategy']) {
      const { code } = opened(
        protocol,
        message(name, 4, (output) => field(output, types.STRUCT, 1, () => writeBatch(output, batch))),
      )
      assert.equal(code, codeOf('method'), name)
    }
  })

  test(`${protocol}: no argument, another protocol, noise and an envelope cut short are malformed`, () => {
    const malformed = codeOf('thrift')
    const none = message('emitBatch', 4, () => undefined)
    assert.equal(opened(protocol, none).code, malformed)
    const foreign = encodeDatagram(protocol === 'binary' ? 'compact' : 'binary', batch)
    assert.equal(opened(protocol, foreign).code, malformed)
    assert.equal(opened(protocol, Buffer.from('{"not":"thrift"}')).code, malformed)
    const headBytes = datagram.length - bare.length - 1
    for (let length = 0; length < headBytes; length++) {
      assert.equal(opened(protocol, datagram.subarray(0, length)).code, malformed, `${length} bytes`)
    }
  })
}

test('binary: the old form of the envelope, without a version', () => {
  const name = Buffer.from('emitBatch')
  const head = Buffer.from([0, 0, 0, name.length, ...name, 4, 0, 0, 0, 1, types.STRUCT, 0, 1])
  const bare = encodeThrift('binary', batch)
  const { code, argument } = opened('binary', Buffer.concat([head, bare]))
  assert.equal(code, emitBatch)
  assert.deepEqual(argument, bare)
})
