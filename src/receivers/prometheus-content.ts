/**
 * What a remote write request says of its content, and how its body gets into the kernel.
 */
import { type GuidepostError, permanent, retryable } from '../errors.ts'
import type { Body } from '../transport/body.ts'
import { inflatesTooFar, inflateZstd } from '../transport/inflate.ts'
import type { Version } from '../wire/formats/prometheus.ts'
import { type Kernel, kernelCodes } from '../wire/kernel.ts'

/** `absent`: no Content-Encoding. Senders exist that leave it out and still compress. */
export type BodyEncoding = 'snappy' | 'identity' | 'zstd' | 'absent'

const protocols: ReadonlyMap<string, Version> = new Map([
  ['prometheus.WriteRequest', 1],
  ['io.prometheus.write.v2.Request', 2],
])

/** `application/x-protobuf` with or without `proto=`; spaces, quotes and other parameters are allowed (RFC 9110, 8.3.1). */
export function versionOf(contentType: string | undefined): Version | GuidepostError {
  if (contentType === undefined || contentType === '') return 1
  const [media = '', ...parameters] = contentType.split(';')
  if (media.trim().toLowerCase() !== 'application/x-protobuf') {
    return unsupported(`Content-Type ${media.trim().slice(0, 100)} is not application/x-protobuf`)
  }
  for (const parameter of parameters) {
    const [name = '', ...rest] = parameter.split('=')
    if (name.trim().toLowerCase() !== 'proto') continue
    const protocol = rest
      .join('=')
      .trim()
      .replace(/^"(.*)"$/, '$1')
    const version = protocols.get(protocol)
    return (
      version ??
      unsupported(`proto=${protocol.slice(0, 100)} is not one of ${[...protocols.keys()].join(', ')}`)
    )
  }
  return 1
}

function unsupported(message: string): GuidepostError {
  return permanent('GP_TYPE_UNSUPPORTED', message)
}

export function encodingOf(header: string | undefined): BodyEncoding | GuidepostError {
  const encoding = (header ?? '').trim().toLowerCase()
  if (encoding === '') return 'absent'
  if (encoding === 'snappy' || encoding === 'identity' || encoding === 'zstd') return encoding
  return permanent(
    'GP_ENCODING_UNSUPPORTED',
    `Content-Encoding ${encoding.slice(0, 100)} is not one of snappy (block format), zstd, identity`,
  )
}

/**
 * Puts the payload into the kernel, inflated. What a sender leaves unsaid is taken as snappy, as Prometheus' own receiver
 * does, and as it is when it is no snappy block: no protobuf message of this kind is one.
 */
export function load(
  kernel: Kernel,
  { chunks, bytes }: Body,
  encoding: BodyEncoding,
  inflatedBytesMax: number,
): GuidepostError | undefined {
  kernel.begin()
  if (encoding === 'zstd') {
    const inflated = inflateZstd(chunks, inflatedBytesMax)
    if (!Buffer.isBuffer(inflated)) return inflated
    return loaded(kernel.putPlain([inflated], inflated.length), inflatedBytesMax)
  }
  if (encoding === 'identity' || bytes === 0) {
    if (bytes > inflatedBytesMax) return inflatesTooFar(inflatedBytesMax)
    return loaded(kernel.putPlain(chunks, bytes), inflatedBytesMax)
  }
  const code = kernel.putSnappy(chunks, bytes, inflatedBytesMax)
  if (kernelCodes[code as keyof typeof kernelCodes] !== 'snappy' || encoding === 'snappy')
    return loaded(code, inflatedBytesMax)
  kernel.begin()
  return loaded(kernel.putPlain(chunks, bytes), inflatedBytesMax)
}

function loaded(code: number, inflatedBytesMax: number): GuidepostError | undefined {
  if (code >= 0) return undefined
  const problem = kernelCodes[code as keyof typeof kernelCodes]
  if (problem === 'too_large') return inflatesTooFar(inflatedBytesMax)
  if (problem === 'snappy') {
    return permanent(
      'GP_BODY_MALFORMED',
      'the body is not a snappy block (the framed format is not used here)',
    )
  }
  return retryable('GP_OVERLOADED', 'there is no memory for the body now; try again')
}

/** What is durable of a 2.0 request. */
export interface Written {
  samples: number
  histograms: number
  exemplars: number
}

export const noneWritten: Readonly<Written> = { samples: 0, histograms: 0, exemplars: 0 }

/** Sums up the records that the kernel has written. */
export function writtenOf(kernel: Kernel, recordCount: number): Written {
  const written = { samples: 0, histograms: 0, exemplars: 0 }
  for (let i = 0; i < recordCount; i++) {
    const part = kernel.part(i)
    written.samples += part.samples
    written.histograms += part.histograms
    written.exemplars += part.exemplars
  }
  return written
}

/** The Written headers of 2.0. A 1.0 sender would take their zeros for losses, so it gets none. */
export function writtenHeaders(
  version: Version,
  written: Readonly<Written>,
): Readonly<Record<string, string>> {
  if (version === 1) return {}
  return {
    'x-prometheus-remote-write-samples-written': String(written.samples),
    'x-prometheus-remote-write-histograms-written': String(written.histograms),
    'x-prometheus-remote-write-exemplars-written': String(written.exemplars),
  }
}
