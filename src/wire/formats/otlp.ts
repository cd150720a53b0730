/** The three export requests of OTLP, as the kernel's `otlp*.ts` walk, cut and write them. */
import { limits } from '../../limits.ts'
import { anyValueText } from '../any-value.ts'
import { codeOf, type Format, optionBits } from '../kernel.ts'

export type OtlpSignal = 'traces' | 'metrics' | 'logs'

export const otlpFormats: Readonly<Record<OtlpSignal, Format>> = {
  traces: formatOf(0),
  metrics: formatOf(1),
  logs: formatOf(2),
}

function formatOf(signal: number): Format {
  return {
    walk: (x, at, bytes, options) => {
      const { active, opaque } = options
      const code = x.walkOtlp(
        signal,
        at,
        bytes,
        limits.requestItemsMax,
        limits.unknownBytesMax,
        limits.otlpNestingMax,
        active,
        opaque,
        optionBits(options),
      )
      if (code < 0 || (x.itemCountOtlp.value as number) > 0 || x.rowCount.value === 0) return code
      // Fields of a later version next to resources pass; a message of nothing else is something else.
      return codeOf('protobuf')
    },
    itemCount: (x) => x.itemCountOtlp.value as number,
    plan: (x, recordBytesMax) =>
      x.planOtlp(signal, recordBytesMax, limits.expandedBytesMax, limits.requestRecordsMax),
    write: (x) => x.writeOtlp(),
    textOf: anyValueText,
  }
}
