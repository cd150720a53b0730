/**
 * Jaeger's spans over gRPC and as Thrift over HTTP, one batch a request: the gateway beside the Collector, see
 * compare.ts and work.ts. Both translate them to OTLP.
 *
 *     jaeger/grpc/1000                    the gateway and both Collectors, with the ratio to the better one
 *     program/kafka/jaeger-grpc-1000      the gateway alone
 */
import type { Case, RunOptions } from '../support/case.ts'
import { comparedColumns, compareWork, measureOne } from './compare.ts'
import { spanTraffic, spanWork } from './span-work.ts'

export const jaegerCases: readonly Case[] = (['grpc', 'thrift'] as const).flatMap((protocol) =>
  [100, 1_000].flatMap((spans) => {
    const work = spanWork(spanTraffic(`jaeger-${protocol}`, spans, 'identity'))
    return [
      {
        name: `program/kafka/jaeger-${protocol}-${spans}`,
        run: (options: RunOptions) => measureOne('gateway', work, options),
      },
      {
        name: `jaeger/${protocol}/${spans}`,
        isOnRequest: true,
        columns: comparedColumns(work),
        beside: 'Collector',
        run: (options: RunOptions) => compareWork(work, options),
      },
    ]
  }),
)
