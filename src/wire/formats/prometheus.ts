/** The two messages of Prometheus remote write, as the kernel's `prometheus-*.ts` walks and writes them. */
import { limits } from '../../limits.ts'
import { codeOf, type Format } from '../kernel.ts'
import type { KernelExports } from '../kernel-exports.ts'

/** Of remote write: 1.0 is prometheus.WriteRequest, 2.0 is io.prometheus.write.v2.Request. */
export type Version = 1 | 2

export const prometheusFormats: Readonly<Record<Version, Format>> = {
  1: {
    walk: (x, at, bytes, { active, opaque, wantExisting }) => {
      const existing = wantExisting ? 1 : 0
      const code = x.walkV1(
        at,
        bytes,
        limits.requestItemsMax,
        limits.unknownBytesMax,
        active,
        opaque,
        existing,
      )
      return judged(x, code, x.itemCount)
    },
    itemCount: (x) => x.itemCount.value as number,
    plan: (x, recordBytesMax) => x.planV1(recordBytesMax, limits.expandedBytesMax),
    write: (x) => x.writeV1(),
  },
  2: {
    walk: (x, at, bytes, { active, opaque, wantExisting }) => {
      const existing = wantExisting ? 1 : 0
      const code = x.walkV2(
        at,
        bytes,
        limits.requestItemsMax,
        limits.requestSymbolsMax,
        limits.unknownBytesMax,
        active,
        opaque,
        existing,
      )
      return judged(x, code, x.itemCountV2)
    },
    itemCount: (x) => x.itemCountV2.value as number,
    plan: (x, recordBytesMax) => x.planV2(recordBytesMax, limits.expandedBytesMax),
    write: (x) => x.writeV2(),
  },
}

/** Fields of a later version next to items pass; a message of nothing else is something else. */
function judged(x: KernelExports, code: number, items: WebAssembly.Global): number {
  if (code < 0 || (items.value as number) > 0 || x.rowCount.value === 0) return code
  return codeOf('protobuf')
}
