/** What the primary counts of its workers, and of itself; there is none of it with one worker. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { definitions } from './definitions.ts'

export class WorkerMetrics {
  readonly registry = new Registry()
  readonly #restarts: Counter

  /** At each scrape `isUp` is asked for each of the `count` workers, from 1, and `isReady` for all together. */
  constructor(count: number, isUp: (worker: number) => boolean, isReady: () => boolean) {
    const numbers = Array.from({ length: count }, (_, index) => index + 1)
    const up = definitions.guidepost_worker_up
    new Gauge({
      name: 'guidepost_worker_up',
      help: up.help,
      labelNames: [...up.labels],
      registers: [this.registry],
      collect() {
        for (const number of numbers) this.labels(String(number)).set(isUp(number) ? 1 : 0)
      },
    })
    new Gauge({
      name: 'guidepost_ready',
      help: definitions.guidepost_ready.help,
      registers: [this.registry],
      collect() {
        this.set(isReady() ? 1 : 0)
      },
    })
    const restarts = definitions.guidepost_worker_restarts_total
    this.#restarts = new Counter({
      name: 'guidepost_worker_restarts_total',
      help: restarts.help,
      labelNames: [...restarts.labels],
      registers: [this.registry],
    })
    for (const number of numbers) this.#restarts.labels(String(number)).inc(0)
    collectDefaultMetrics({ register: this.registry })
  }

  restarted(worker: number): void {
    this.#restarts.labels(String(worker)).inc()
  }
}
