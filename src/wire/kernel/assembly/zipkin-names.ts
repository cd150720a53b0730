// Names of Zipkin tags that become more than an attribute of the span. The resource's names are those that the OpenTelemetry
// Collector moves (opentelemetry-collector-contrib pkg/translator/zipkin v0.145.0, zipkinv2/to_translator.go,
// nonSpanAttributes); the others mean the scope, the status, the kind, the trace state (OpenTelemetry specification,
// "SDK exporters: Zipkin") or what older libraries of OpenCensus and HTTP said of the status.

import { sameBytes } from './memory'

// One literal each: a text that is put together at run time would lie where the arena does.
const RESOURCE_NAMES = `
  service.name cloud.provider cloud.account.id cloud.region cloud.availability_zone cloud.platform
  aws.ecs.container.arn aws.ecs.cluster.arn aws.ecs.launchtype aws.ecs.task.arn aws.ecs.task.family
  aws.ecs.task.revision aws.eks.cluster.arn aws.log.group.names aws.log.group.arns aws.log.stream.names
  aws.log.stream.arns container.name container.id container.runtime container.image.name container.image.tag
  deployment.environment device.id device.model.identifier device.model.name device.manufacturer faas.name faas.id
  faas.version faas.instance faas.max_memory host.id host.name host.type host.arch host.image.name host.image.id
  host.image.version k8s.cluster.name k8s.node.name k8s.node.uid k8s.namespace.name k8s.pod.uid k8s.pod.name
  k8s.container.name k8s.container.restart_count k8s.replicaset.uid k8s.replicaset.name k8s.deployment.uid
  k8s.deployment.name k8s.statefulset.uid k8s.statefulset.name k8s.daemonset.uid k8s.daemonset.name k8s.job.uid
  k8s.job.name k8s.cronjob.uid k8s.cronjob.name os.type os.description os.name os.version process.pid
  process.executable.name process.executable.path process.command process.command_line process.command_args
  process.owner process.runtime.name process.runtime.version process.runtime.description service.namespace
  service.instance.id service.version telemetry.sdk.name telemetry.sdk.language telemetry.sdk.version
  telemetry.auto.version webengine.name webengine.version webengine.description opencensus.starttime
  opencensus.exporterversion opencensus.resourcetype
`
const OTHER_NAMES = `
  otlp.service.name.source otel.scope.name otel.scope.version otel.library.name otel.library.version w3c.tracestate
  span.kind otel.status_code otel.status_description error census.status_code census.status_description
  opencensus.status_description http.status_code http.status_message
`
/** Names that the translation gives itself. */
const OWN_NAMES = `
  net.host.ip net.host.port peer.service net.peer.ip net.peer.port component otel.zipkin.absentField.startTime
  zipkin.debug zipkin.shared zipkin.kind zipkin.timestamp zipkin.duration zipkin.localEndpoint.serviceName
  zipkin.localEndpoint.ipv4 zipkin.remoteEndpoint.ipv4 zipkin.endpoint zipkin.endpoints serviceName ipv4 ipv6 port
`

/** Roles: a name's place in the lists. Those below RESOURCE_ROLES are the resource's. */
export const SERVICE_NAME: i32 = 0
export const RESOURCE_ROLES: i32 = 86
export const SERVICE_SOURCE: i32 = 86
export const SCOPE_NAME: i32 = 87
export const SCOPE_VERSION: i32 = 88
export const LIBRARY_NAME: i32 = 89
export const LIBRARY_VERSION: i32 = 90
export const TRACE_STATE: i32 = 91
export const SPAN_KIND: i32 = 92
export const STATUS_CODE: i32 = 93
export const STATUS_DESCRIPTION: i32 = 94
export const ERROR: i32 = 95
export const CENSUS_CODE: i32 = 96
export const CENSUS_DESCRIPTION: i32 = 97
export const OPENCENSUS_DESCRIPTION: i32 = 98
export const HTTP_CODE: i32 = 99
export const HTTP_MESSAGE: i32 = 100
/** The first of the roles for the names that the guid's rules look for, 31 at most. */
export const RULE_ROLE: i32 = 104
/** Places that a table by role needs, without the links. */
export const ROLES: i32 = 144
/** Role of `otlp.link.0`, and further ones behind it. */
export const LINK_ROLE: i32 = 256
export const LINKS: i32 = 128
/** Of all other names. */
export const NO_ROLE: i32 = -1

/** Places of OWN_NAMES, which no tag's name is looked up among. */
export const NET_HOST_IP: i32 = 144
export const NET_HOST_PORT: i32 = 145
export const PEER_SERVICE: i32 = 146
export const NET_PEER_IP: i32 = 147
export const NET_PEER_PORT: i32 = 148
export const COMPONENT: i32 = 149
export const START_ABSENT: i32 = 150
export const ZIPKIN_DEBUG: i32 = 151
export const ZIPKIN_SHARED: i32 = 152
export const ZIPKIN_KIND: i32 = 153
export const ZIPKIN_TIMESTAMP: i32 = 154
export const ZIPKIN_DURATION: i32 = 155
export const ZIPKIN_LOCAL_NAME: i32 = 156
export const ZIPKIN_LOCAL_IPV4: i32 = 157
export const ZIPKIN_REMOTE_IPV4: i32 = 158
export const ZIPKIN_ENDPOINT: i32 = 159
export const ZIPKIN_ENDPOINTS: i32 = 160
export const ENDPOINT_SERVICE: i32 = 161
export const ENDPOINT_IPV4: i32 = 162
export const ENDPOINT_IPV6: i32 = 163
export const ENDPOINT_PORT: i32 = 164

const texts = memory.data(4096)
/** Address and length of each name. */
const names = memory.data(168 * 8)
/** Role + 1 by hash; 0 is free. */
const byHash = memory.data(512)
let ready = false

/** Writes the tables, once. */
export function namesBegin(): void {
  if (ready) return
  ready = true
  const at = addNames(texts, 0, RESOURCE_NAMES)
  addNames(addNames(at, RESOURCE_ROLES, OTHER_NAMES), NET_HOST_IP, OWN_NAMES)
}

function addNames(to: usize, role: i32, list: string): usize {
  let start = to
  for (let i = 0; i <= list.length; i++) {
    const char = i == list.length ? 0x20 : list.charCodeAt(i)
    if (char > 0x20) {
      store<u8>(to++, char)
      continue
    }
    if (to == start) continue
    store<u32>(names + (<usize>role << 3), <u32>start)
    store<u32>(names + (<usize>role << 3), <u32>(to - start), 4)
    if (role < NET_HOST_IP) addHash(hashOf(start, to - start), role)
    role++
    // What is read behind a short name must be its own: the hash looks at eight bytes.
    to += 8
    start = to
  }
  return to
}

function addHash(slot: usize, role: i32): void {
  while (load<u8>(byHash + slot) != 0) slot = (slot + 1) & 511
  store<u8>(byHash + slot, role + 1)
}

@inline
function hashOf(at: usize, bytes: usize): usize {
  let head = load<u64>(at)
  let tail: u64 = 0
  if (bytes < 8) head = bytes == 0 ? 0 : head & (<u64>-1 >> (64 - (<u64>bytes << 3)))
  else tail = load<u64>(at + bytes - 8)
  return <usize>(((head ^ rotl<u64>(tail, 23) ^ <u64>bytes) * 0x9e3779b97f4a7c15) >> 55)
}

/** The role of a tag's name. */
export function roleOf(at: usize, bytes: usize): i32 {
  let slot = hashOf(at, bytes)
  for (;;) {
    const role = <i32>load<u8>(byHash + slot) - 1
    if (role < 0) break
    const name = names + (<usize>role << 3)
    if (<usize>load<u32>(name, 4) == bytes && sameBytes(load<u32>(name), at, bytes)) return role
    slot = (slot + 1) & 511
  }
  // "otlp.link." and a number without a leading zero.
  if (bytes < 11 || bytes > 13 || load<u64>(at) != 0x6e696c2e706c746f || load<u16>(at, 8) != 0x2e6b) return NO_ROLE
  let link: i32 = 0
  for (let i: usize = 10; i < bytes; i++) {
    const digit = <i32>load<u8>(at + i) - 0x30
    if (digit < 0 || digit > 9 || (i == 11 && link == 0)) return NO_ROLE
    link = link * 10 + digit
  }
  return link < LINKS ? LINK_ROLE + link : NO_ROLE
}

/** The text of a role's name; its length is `roleNameBytes`. */
export function roleName(role: i32): usize {
  return load<u32>(names + (<usize>role << 3))
}

export function roleNameBytes(role: i32): usize {
  return load<u32>(names + (<usize>role << 3), 4)
}
