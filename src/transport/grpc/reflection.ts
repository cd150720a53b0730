/**
 * Server reflection, by which grpcurl and its like call a server whose messages they do not have.
 *
 * Source: grpc/grpc, doc/server-reflection.md; messages in proto/grpc/reflection/v1/reflection.proto:
 *   ServerReflectionRequest   1 host; one of 3 file_by_filename, 4 file_containing_symbol, 5 file_containing_extension
 *                             { 1 containing_type, 2 extension_number }, 6 all_extension_numbers_of_type, 7 list_services
 *   ServerReflectionResponse  1 valid_host, 2 original_request; one of 4 file_descriptor_response { 1 the files },
 *                             5 all_extension_numbers_response { 1 base_type_name, 2 numbers }, 6 list_services_response
 *                             { 1 service { 1 name } }, 7 error_response { 1 error_code, 2 error_message }
 */
import { fields, lengthDelimited, varintField } from '../../wire/protobuf.ts'
import { GrpcStatus, type GrpcStatusCode } from '../rpc-status.ts'
import type { Descriptors } from './descriptors.ts'
import { HEALTH_SERVICE } from './health.ts'
import type { StreamAnswers, StreamMethod, StreamReader } from './method.ts'

/** The older name is what most clients ask for. */
const REFLECTION_SERVICES = [
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
]

/** `services`: full names of the services besides health and reflection. */
export function reflectionMethods(services: readonly string[]): StreamMethod[] {
  const names = [...services, HEALTH_SERVICE, ...REFLECTION_SERVICES]
  let loaded: Promise<Descriptors> | undefined
  // Reading the messages takes a while, and most gateways are never asked.
  const descriptors = (): Promise<Descriptors> => {
    loaded ??= import('./descriptors.ts').then(({ loadDescriptors }) => loadDescriptors(names))
    return loaded
  }
  const open = (answers: StreamAnswers): StreamReader => ({
    async message(request) {
      const answer = await answerTo(request, names, descriptors)
      const host = [...fields(request)].find(({ number, type }) => number === 1 && type === BYTES)?.value
      answers.send(Buffer.concat([lengthDelimited(1, host ?? nothing), lengthDelimited(2, request), answer]))
    },
    ended: () => answers.end(),
    look: () => undefined,
  })
  return REFLECTION_SERVICES.map((service) => ({ path: `/${service}/ServerReflectionInfo`, open }))
}

const BYTES = 2
const nothing = Buffer.alloc(0)

async function answerTo(
  request: Buffer,
  names: readonly string[],
  descriptors: () => Promise<Descriptors>,
): Promise<Buffer> {
  // Of several members of a oneof, the last one counts.
  const asked = [...fields(request)].findLast(
    ({ number, type }) => number >= 3 && number <= 7 && type === BYTES,
  )
  const text = asked?.value.toString() ?? ''
  switch (asked?.number) {
    case 3:
      return filesResponse((await descriptors()).byName(text), `file ${text}`)
    case 4:
      return filesResponse((await descriptors()).bySymbol(text), `symbol ${text}`)
    case 5:
      return errorResponse(GrpcStatus.NOT_FOUND, 'there are no extensions here')
    case 6:
      if ((await descriptors()).bySymbol(text) === undefined) return notFound(`type ${text}`)
      return lengthDelimited(5, lengthDelimited(1, asked.value))
    case 7: {
      const services = names.map((name) => lengthDelimited(1, lengthDelimited(1, Buffer.from(name))))
      return lengthDelimited(6, Buffer.concat(services))
    }
    default:
      return errorResponse(GrpcStatus.INVALID_ARGUMENT, 'the request asks for nothing that is known')
  }
}

function filesResponse(files: readonly Buffer[] | undefined, what: string): Buffer {
  if (files === undefined) return notFound(what)
  return lengthDelimited(4, Buffer.concat(files.map((file) => lengthDelimited(1, file))))
}

function notFound(what: string): Buffer {
  return errorResponse(GrpcStatus.NOT_FOUND, `${what} is not known`)
}

function errorResponse(code: GrpcStatusCode, text: string): Buffer {
  return lengthDelimited(7, Buffer.concat([varintField(1, code), lengthDelimited(2, Buffer.from(text))]))
}
