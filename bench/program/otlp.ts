/**
 * OTLP traces over gRPC and HTTP: the gateway beside the Collector, see compare.ts and work.ts.
 *
 *     otlp/grpc/1000/identity             the gateway and both Collectors, with the ratio to the better one
 *     program/kafka/otlp-grpc-1000-identity   the gateway alone
 *     collector/grpc/1000/identity        both Collectors alone
 */
import type { Case, RunOptions } from '../support/case.ts'
import { collectors, comparedColumns, compareWork, measureAll, measureOne } from './compare.ts'
import { spanTraffic, spanWork } from './span-work.ts'

const traffics = (['grpc', 'http'] as const).flatMap((protocol) =>
  [10, 100, 1_000, 8_000].flatMap((spans) =>
    (['identity', 'gzip', 'zstd'] as const).map((encoding) => spanTraffic(protocol, spans, encoding)),
  ),
)

export const otlpCases: readonly Case[] = traffics.flatMap((traffic) => {
  const { protocol, spans, encoding } = traffic
  const work = spanWork(traffic)
  return [
    {
      name: `program/kafka/otlp-${protocol}-${spans}-${encoding}`,
      isOnRequest: protocol === 'http' || encoding !== 'identity',
      run: (options: RunOptions) => measureOne('gateway', work, options),
    },
    {
      name: `collector/${protocol}/${spans}/${encoding}`,
      isOnRequest: true,
      run: (options: RunOptions) => measureAll(collectors, work, options),
    },
    {
      name: `otlp/${protocol}/${spans}/${encoding}`,
      isOnRequest: true,
      columns: comparedColumns(work),
      beside: 'Collector',
      run: (options: RunOptions) => compareWork(work, options),
    },
  ]
})
