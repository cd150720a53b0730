/**
 * A `PartitionClient` whose every question has its answer, or an error, in a bounded time.
 *
 * A broker that is frozen, or cut off behind a connection that stands, takes a question and never answers. The libraries
 * then wait for their request's own time, which must be as long as an append may take, and ask the same broker first at
 * the next step: one broker out of three would keep a cluster that is well from being used for minutes. Here the whole
 * question is cut, and the next one begins with another broker.
 */
import {
  ClientError,
  type PartitionClient,
  type PartitionProducer,
  type TopicFacts,
} from './partition-producer.ts'

export class BoundedClient implements PartitionClient {
  readonly #client: PartitionClient
  readonly #answerMs: number

  /** `answerMs` bounds each call. */
  constructor(client: PartitionClient, answerMs: number) {
    this.#client = client
    this.#answerMs = answerMs
  }

  describe(topics: readonly string[]): Promise<Map<string, TopicFacts>> {
    return this.#bounded('looking at the topics', this.#client.describe(topics))
  }

  createTopics(topics: readonly string[], partitions: number, replication: number): Promise<void> {
    const created = this.#client.createTopics(topics, partitions, replication)
    return this.#bounded(`creating ${topics.join(', ')}`, created)
  }

  openProducer(): Promise<PartitionProducer> {
    return this.#bounded('opening a producer', this.#client.openProducer(), (late) => late.destroy())
  }

  destroy(): void {
    this.#client.destroy()
  }

  /** `release` gets a result that came too late. */
  #bounded<T>(doing: string, answer: Promise<T>, release: (late: T) => void = () => {}): Promise<T> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        reject(new ClientError('away', `${doing}: a broker did not answer within ${this.#answerMs} ms`))
        this.#client.destroy()
      }, this.#answerMs)
      answer.then(
        (result) => {
          clearTimeout(timer)
          if (isLate) release(result)
          else resolve(result)
        },
        (error: unknown) => {
          clearTimeout(timer)
          reject(error)
        },
      )
    })
  }
}
