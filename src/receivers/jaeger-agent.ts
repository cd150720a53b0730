/**
 * The Jaeger agent's ports (jaegertracing/jaeger v1, cmd/agent; jaeger-idl, thrift/agent.thrift): each datagram is one
 * message of Thrift. Nothing can be answered, so nothing is repeated: while the bus is away, datagrams wait in the
 * listener's queue as long as there is room in it, and what is lost is counted.
 */
import { GuidepostError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Claim } from '../route/shares.ts'
import { type Datagram, noPeer } from '../transport/udp/listener.ts'
import { type AgentProtocol, agentForms } from './jaeger.ts'
import type { SpanReceiver, SpanSettings } from './spans.ts'

/** What a UDP listener asks of a receiver. */
export interface AgentPort {
  /** Whether a datagram can be taken now; while not, it waits. */
  admits(): boolean
  /** Whether a datagram's guid may depend on where it came from. */
  needsPeer(): boolean
  /** Takes a datagram, whose bytes are borrowed: in this turn it is in the batcher, or refused and counted. */
  handle(datagram: Datagram): void
}

const keepNothing = (): void => undefined
/** What becomes of a datagram is counted, and nobody waits for it. */
const answerNobody = (): void => undefined

export function agentPort(receiver: SpanReceiver, protocol: AgentProtocol): AgentPort {
  const form = agentForms[protocol]
  const { intake } = receiver
  /** Those that asked for no address: they hold for datagrams that were read without one before a reload asked. */
  let withoutPeer: SpanSettings | undefined
  const needsPeer = (): boolean => {
    const { settings } = receiver
    if (!settings.rules.usesPeer) withoutPeer = settings
    return settings.rules.usesPeer
  }
  const settingsFor = ({ peer }: Datagram): SpanSettings => {
    const { settings } = receiver
    return settings.rules.usesPeer && peer === noPeer ? (withoutPeer ?? settings) : settings
  }
  // One for all datagrams of the port: nothing is read on it, and what waits is the port's.
  let claim: Claim | undefined
  const claimOf = ({ connection }: Datagram): Claim => {
    claim ??= intake.claim({ link: intake.connect(''), connection })
    return claim
  }
  return {
    admits: () => intake.fits(limits.udpDatagramBytesMax * 2),
    needsPeer,
    handle: (datagram) => {
      const peer = datagram.peer === noPeer ? '' : datagram.peer
      const settings = settingsFor(datagram)
      const { bytes } = datagram
      intake.receivedBytes(bytes.length)
      const guid = intake.requestGuid(settings.rules, datagram)
      if (guid instanceof GuidepostError) {
        intake.refuse(guid, peer, 'guid')
        return
      }
      const message = { chunks: [bytes], bytes: bytes.length, release: keepNothing }
      const receivedAtMs = Date.now()
      const claim = claimOf(datagram)
      receiver.take({ form, message, guid, settings, claim, receivedAtMs, peer }, answerNobody)
    },
  }
}
