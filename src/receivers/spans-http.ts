/** Spans that come over HTTP, for all protocols: from the headers to the fate of the body. */
import { GuidepostError } from '../errors.ts'
import type { Claim } from '../route/shares.ts'
import { type Answer, answerFor } from '../transport/answer.ts'
import { admit, type Body } from '../transport/body.ts'
import type { HttpRequest } from '../transport/http.ts'
import { codingOf, readPlain } from './http-body.ts'
import type { SpanForm, SpanReceiver } from './spans.ts'

/** What a request's headers say that its body is. */
export interface SpanContent {
  readonly form: SpanForm
  /**
   * The body as a message of the form: the body itself, or one made of it, which is then released. Undefined: it holds no
   * spans. The body is whole and inflated.
   */
  messageOf(body: Body, claim: Claim): Body | undefined | GuidepostError
}

/** Answers a request: 202 without a body when every span is durable. `statuses`: where the protocol has its own. */
export async function answerSpans(
  receiver: SpanReceiver,
  request: HttpRequest,
  content: SpanContent | GuidepostError,
  statuses: Readonly<Partial<Record<string, number>>>,
): Promise<Answer> {
  const started = performance.now()
  const { intake } = receiver
  const { peer } = request
  const failure =
    content instanceof GuidepostError
      ? intake.refuse(content, peer, 'content_type')
      : await receive(receiver, request, content).catch((error: unknown) => intake.broke(error, peer))
  const answer = failure === undefined ? accepted : refusal(failure, statuses)
  intake.answered(answer.status, started)
  return answer
}

const accepted: Answer = { status: 202, headers: {}, body: '' }

function refusal(error: GuidepostError, statuses: Readonly<Partial<Record<string, number>>>): Answer {
  const answer = answerFor(error)
  return { ...answer, status: statuses[error.code] ?? answer.status }
}

async function receive(
  receiver: SpanReceiver,
  request: HttpRequest,
  { form, messageOf }: SpanContent,
): Promise<GuidepostError | undefined> {
  const { intake, settings } = receiver
  const { rules, limits } = settings
  const { peer } = request
  const coding = codingOf(request.raw.headers['content-encoding'])
  if (coding instanceof GuidepostError) return intake.refuse(coding, peer, 'content_encoding')
  const guid = intake.requestGuid(rules, request)
  if (guid instanceof GuidepostError) return intake.refuse(guid, peer, 'guid')
  const claim = intake.claim(request)
  const closed = admit(request.raw, limits.bodyBytes, claim) ?? intake.closed()
  if (closed !== undefined) return intake.refuse(closed, peer)
  const receivedAtMs = Date.now()
  const body = await readPlain(intake, request, claim, coding, limits)
  const message = body instanceof GuidepostError ? body : messageOf(body, claim)
  if (message === undefined) return undefined
  if (message instanceof GuidepostError) return intake.refuse(message, peer)
  const taking = { form, message, guid, settings, claim, receivedAtMs, peer }
  return new Promise((resolve) => receiver.take(taking, resolve))
}
