/** The two messages of Prometheus remote write, as the kernel's `prometheus-*.ts` walks and writes them. */
import { limits } from '../../limits.ts'
import type { Format } from '../kernel.ts'

/** Of remote write: 1.0 is prometheus.WriteRequest, 2.0 is io.prometheus.write.v2.Request. */
export type Version = 1 | 2

export const prometheusFormats: Readonly<Record<Version, Format>> = {
  1: {
    walk: (x, at, bytes, { active, opaque, wantExisting }) =>
      x.walkV1(
        at,
        bytes,
        limits.requestItemsMax,
        limits.unknownBytesMax,
        active,
        opaque,
        wantExisting ? 1 : 0,
      ),
    itemCount: (x) => x.itemCount.value as number,
    plan: (x, recordBytesMax) => x.planV1(recordBytesMax, limits.expandedBytesMax),
    write: (x) => x.writeV1(),
  },
  2: {
    walk: (x, at, bytes, { active, opaque, wantExisting }) =>
      x.walkV2(
        at,
        bytes,
        limits.requestItemsMax,
        limits.requestSymbolsMax,
        limits.unknownBytesMax,
        active,
        opaque,
        wantExisting ? 1 : 0,
      ),
    itemCount: (x) => x.itemCountV2.value as number,
    plan: (x, recordBytesMax) => x.planV2(recordBytesMax, limits.expandedBytesMax),
    write: (x) => x.writeV2(),
  },
}
