/**
 * Every bound of the program, each with its unit, and the relations between them.
 *
 * A value here is a default or a hard bound. Those that an operator may change are keys of the configuration
 * (`limits:` and the blocks of the buses); the schema takes its defaults from this file.
 */

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

export const limits = {
  // ---- what a sender may send -------------------------------------------------------------------------------
  /** Bytes of one request body as it arrives, compressed or not. Over it: 413. */
  bodyBytesMax: 32 * MiB,
  /** Bytes of one request body after inflating. Over it: 413, without inflating further. */
  inflatedBytesMax: 32 * MiB,
  /** Bytes of one gRPC message, as it comes and after inflating. Over it: RESOURCE_EXHAUSTED. */
  messageBytesMax: 16 * MiB,
  /** Series, metadata entries, resources or other items in one request. Over it: 413. */
  requestItemsMax: 1_000_000,
  /** Symbols in one remote write 2.0 request. Over it: 413. */
  requestSymbolsMax: 2_000_000,
  /** Bytes of top-level fields that this version does not know, in one request. Over it: 413. */
  unknownBytesMax: 64 * KiB,
  /** Bytes that one request may become by its stamps, by symbols repeated for each guid (2.0), by translation. Over it: 413. */
  expandedBytesMax: 64 * MiB,
  /** The most that Jaeger's records, each with its process, may come to as a multiple of their request; that much always. */
  spanRecordsRatioMax: 64,
  spanRecordsBytesMin: 1 * MiB,
  /**
   * Levels of messages below an OTLP request, in JSON too; of any JSON under a key that is not known. Values nest in values;
   * most readers of protobuf stop here too.
   */
  otlpNestingMax: 100,
  /** Records that one request may become, a guid each at least. They are made in one turn, 5 to 20 µs each. Over it: 413. */
  requestRecordsMax: 10_000,
  /** Bytes of JSON in one request, inflated. It is read in one turn, 12 ms for each MiB. Over it: 413. */
  jsonBytesMax: 8 * MiB,
  /** Bytes of a request's header block. Over it: 431. */
  headerBytesMax: 16 * KiB,
  /** Milliseconds for a sender to deliver its headers. Over it: 503 and the connection is closed. */
  headersMsMax: 10_000,
  /** Milliseconds for a sender to deliver a whole request. Over it: 503 and the connection is closed. */
  requestMsMax: 30_000,
  /** Milliseconds that an idle connection is kept. Above the 90 s at which Go's client drops its own. */
  idleMsMax: 120_000,
  /** Milliseconds between two looks at which connections are over their time. */
  connectionsCheckMs: 2_000,
  /** Milliseconds that the rest of a refused body is thrown away before its connection is closed. */
  unreadMsMax: 5_000,
  /** Requests of one connection that may be under way at once; with more, the connection is closed. */
  pipelinedMax: 16,
  /** Open connections on one listener. Further ones are closed at once and counted. */
  connectionsMax: 10_000,
  /** Frames that a zstd body may be joined of; each costs a decoder. Over it: 400. */
  zstdFramesMax: 64,
  /** Bodies too large for one turn that are inflated at once; the others wait. The thread pool has as many threads. */
  inflatesMax: 4,
  /** Streams of one gRPC connection that may be open at once. Further ones are refused, and may be repeated. */
  grpcStreamsMax: 1_000,
  /** Bytes that a gRPC sender may have on their way on one stream, and on all streams of one connection. */
  grpcStreamWindowBytes: 1 * MiB,
  grpcConnectionWindowBytes: 4 * MiB,
  /** Bytes of one DATA frame that a gRPC sender is allowed; what a socket is read in at once. */
  grpcFrameBytesMax: 64 * KiB,
  /** Streams that one gRPC connection may reset, and frames without use, at once and in each second. Over it: it is closed. */
  grpcResetsBurst: 1_000,
  grpcResetsPerSecond: 200,
  /** Milliseconds between two looks at which gRPC calls are over their time. */
  grpcCheckMs: 250,
  /** Headers of one gRPC call. */
  grpcHeadersMax: 128,
  /** Bytes of the fields that an HTTP/2 sender may refer back to. The protocol's default: every sender may count on so many. */
  headerTableBytes: 4 * KiB,
  /** Bytes of answers that a gRPC client has not taken. Over it: the connection is closed. */
  grpcUnreadBytesMax: 256 * KiB,
  /** Bytes of one request to the gRPC health or reflection service. */
  grpcServiceMessageBytesMax: 4 * KiB,
  /** Bytes of such requests that may wait on one stream while answers are not taken. */
  grpcServiceWaitingBytesMax: 16 * KiB,
  /** Bytes that a gRPC call costs beside its headers and its message while it is open: its objects. */
  grpcCallOverheadBytes: 2 * KiB,
  /** Health and reflection streams that one gRPC connection may hold open. */
  grpcServiceStreamsMax: 10,
  /** Bytes of a gRPC status message, percent-encoded. */
  grpcStatusTextBytesMax: 1 * KiB,

  /** Bytes of one datagram; no IPv4 packet holds a longer one. Over it: dropped and counted. */
  udpDatagramBytesMax: 65_507,
  /** Bytes of datagrams of one UDP port that wait for their turn. Over it: dropped and counted. */
  udpQueueBytes: 16 * MiB,
  /** Bytes of the receive buffer that a UDP socket asks the system for; Linux gives `net.core.rmem_max` at most. */
  udpReceiveBufferBytes: 4 * MiB,
  /** Milliseconds that datagrams are handed on in one turn before other work has its own. */
  udpTurnMsMax: 4,
  /** Milliseconds between two tries to hand on a datagram while there is no room for it behind. */
  udpRetryMs: 5,
  /** Milliseconds between two looks at what UDP ports have dropped, and between two tries to open a port that broke. */
  udpCountMs: 1_000,
  udpRestartMs: 1_000,
  /** Datagrams of a port in one turn of the reader's loop after which it takes the others by plain reads, and how many. */
  udpBacklog: 4,
  udpReadsMax: 1_024,
  /** Bytes of the largest datagram there is, whatever the address family. */
  udpReadBytes: 64 * KiB,
  /** MiB of objects, old and young, that the thread of the UDP ports may keep; it keeps hardly any. */
  udpThreadHeapMiB: 32,
  udpThreadYoungMiB: 4,

  // ---- guids ------------------------------------------------------------------------------------------------
  /** Bytes of a guid (design: `[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?`). */
  guidBytesMax: 128,
  /** Bytes of a label or header value that is looked at when a guid is sought. Longer ones hold no guid. */
  guidSourceBytesMax: 4 * KiB,
  /** Guids kept prepared in memory; when there are more, the table starts anew. */
  guidsCachedMax: 20_000,
  /** Guids that have metric series of their own; the rest are counted under `other`. */
  metricGuidsMax: 200,
  /** Bytes of a label's or an attribute's name that a rule may look for. */
  labelNameBytesMax: 255,
  /** Sources in one `guid.from` list; each may be looked for by two names, and the kernel knows 31 with the stamp's. */
  guidSourcesMax: 15,

  // ---- memory -----------------------------------------------------------------------------------------------
  /** Bytes of everything in flight: bodies being read, records waiting for the bus. Over it: 503 + Retry-After. */
  inflightBytesMax: 128 * MiB,
  /** Bytes of the kernel's memory that are kept from request to request; a larger one is given back. */
  kernelBytesKept: 48 * MiB,
  /** Milliseconds after the last large request before the kernel's memory shrinks again. */
  kernelLargeMs: 10_000,
  /** Bytes that the kernel keeps even when memory is short. */
  kernelBytesRelieved: 8 * MiB,
  /** Bytes that a record on its way costs beside its value, with the garbage it leaves: its objects here and on the bus. */
  recordOverheadBytes: 2 * KiB,
  /** The same of bytes that join a record which waits, in memory of their own or of their request. */
  pieceOverheadBytes: 512,
  /** Bytes that a request costs while its records wait: promises, its answer, its socket's objects. */
  requestOverheadBytes: 1 * KiB,
  /** Bytes that one worker may occupy, unless set or the container has less; and the least that can be set for it. */
  memoryBytesMax: 1 * GiB,
  memoryBytesMin: 256 * MiB,
  /** Share of what the machine or the container has that all workers together may occupy by default. */
  memoryMachineShare: 0.9,
  /** Share of the memory bound beyond which only small requests are taken; the rest is for the one that is dealt with. */
  memoryShareMax: 0.75,
  /** Bytes of memory that a byte in flight may come to: the body, inflated, in the kernel, as records, as garbage. */
  memoryPerByte: 4,
  /** Bytes that may be in flight however short memory is, so that nobody is locked out for good. */
  memoryInflightBytesMin: 2 * MiB,
  /** Milliseconds between two looks at the memory that is occupied, and between two tries to have less of it. */
  memoryCheckMs: 100,
  memoryRelieveMs: 2_000,
  /** Milliseconds between two such tries at most; the pause doubles while one frees less than this share. */
  memoryRelieveMsMax: 60_000,
  memoryRelievedShareMin: 0.05,
  /** Milliseconds instead, once buffers of more than this share of the bound have come since the last try. */
  memoryBuffersMs: 200,
  memoryBuffersShareMax: 0.06,
  /** Milliseconds between two samples of the event loop's lag, and of the window whose least one counts. */
  lagCheckMs: 50,
  lagWindowMs: 500,
  /** Milliseconds that everything may wait for its turn in two windows on end. Over it: 503 until it is less. */
  lagMsMax: 500,
  /** Share of the bytes in flight that bodies may take while they are read; the rest is for what is complete. */
  bodiesShareMax: 0.5,
  /** What a connection, an address and a receiver may hold of bodies and of waiting records, as a multiple of what is free then. */
  connectionShareMax: 2,
  peerShareMax: 4,
  receiverShareMax: 8,
  /** What the records of a guid may hold while they wait for the bus, as a multiple of what is free then. */
  guidShareMax: 2,
  /** Bytes up to which a connection is not asked for what its address and its receiver hold. */
  shareBytesMin: 64 * KiB,
  /** Milliseconds between two looks at bodies that are under way. */
  paceCheckMs: 1_000,
  /** Bytes that must come of a body between two looks while bodies hold more than this share of what they may. Else 503. */
  paceBytes: 64 * KiB,
  paceShareMin: 0.5,
  /** Bytes kept in free buffers for reuse. */
  poolBytesMax: 32 * MiB,
  /** Refused items that an answer names; Prometheus logs 1,024 bytes of it. */
  refusalsNamed: 5,
  /** Bytes of a refused item's labels that an answer shows. */
  refusalTextBytes: 256,
  /** Attributes and other fields of a refused resource that are looked at for it, and bytes of each attribute. */
  refusalFieldsMax: 100,
  refusalFieldBytesMax: 4 * KiB,
  /** Seconds that a sender is told to wait when it is refused for a reason that passes. */
  retryAfterSeconds: 1,

  // ---- translate --------------------------------------------------------------------------------------------
  /** Bytes of the buffer that the translation of remote write to OTLP keeps from request to request. */
  translationBytesKept: 4 * MiB,
  /** Series of one request that is translated to OTLP, which takes half a second for so many. Over it: 413. */
  translatedSeriesMax: 100_000,
  /** Resources, scopes and metrics that one translated request may have together. Over it: 413. */
  translatedNodesMax: 200_000,
  /** Series of classic histograms and summaries of one request that wait for the others; further ones stay as they are. */
  heldPartsMax: 100_000,
  /** Buckets of one sign in a native histogram, with the empty ones between them. One with more has no form in OTLP. */
  denseBucketsMax: 16 * KiB,

  // ---- route ------------------------------------------------------------------------------------------------
  /** Milliseconds that a record waits for company of the same guid. */
  lingerMs: 3,
  /** Records that wait for company in vain, one after the other, before the next ones do not wait. */
  lingersAloneMax: 4,
  /** Records that are ready at once and are appended each for itself; more of them share one append. */
  appendsApartMax: 64,
  /** Bytes at which a record is closed and sent. Below Kafka's default 1,048,588 with room for key and headers. */
  recordBytesTarget: 900 * KiB,
  /** Milliseconds after which an append that has not settled counts as failed, and its senders get 503. */
  appendMsMax: 15_000,
  /** Bytes of a dead letter's value. What is longer is cut, and its header says the whole length. */
  deadLetterBytesMax: 512 * KiB,

  // ---- log --------------------------------------------------------------------------------------------------
  /** Bytes at which a segment file is closed and the next one begins. */
  segmentBytesMax: 128 * MiB,
  /** Bytes of one record's value in a segment. */
  segmentRecordBytesMax: 64 * MiB,
  /** Bytes that one topic of the log may hold before its oldest segments are deleted. */
  logRetentionBytes: 10 * GiB,
  /** Hours that a closed segment is kept. */
  logRetentionHours: 7 * 24,
  /** Bytes that must stay free on the file system; below it, appends fail and senders are told to wait. */
  diskReserveBytes: 256 * MiB,
  /** Bytes of records that one write and one fdatasync make durable together. */
  segmentGroupBytesMax: 32 * MiB,
  /** Bytes that are read from a segment at once. */
  segmentReadBytes: 256 * KiB,
  /** Bytes of a value below which it is copied behind its head; above, a write of its own is cheaper. */
  segmentPackedBytesMax: 4 * KiB,
  /** Bytes of the packing buffer that a writer keeps between two group commits. */
  segmentPackBytesKept: 2 * MiB,
  /** Bytes of the window that a reader keeps after a record that needed more. */
  segmentWindowBytesKept: 8 * MiB,
  /** Bytes and milliseconds of writing after which the free space is asked for again. */
  diskCheckBytes: 16 * MiB,
  diskCheckMs: 1_000,
  /** Bytes of damaged records that one topic keeps in its quarantine; further ones are only reported. */
  quarantineBytesMax: 1 * GiB,
  /** Milliseconds between two looks at what retention may delete. */
  logRetentionCheckMs: 60_000,
  /** Milliseconds after which a reader that follows looks again, and between two tries to write to a failed disk. */
  logPollMs: 1_000,
  /** Milliseconds after which the lock of another machine or container counts as left behind. */
  logLockMsMax: 20_000,
  /** Milliseconds for which a lock file may be empty: between its making and its writing. */
  logLockEmptyMsMax: 2_000,
  /** Tries to take a lock that others take and leave at the same time. */
  logLockTriesMax: 10,
  /** Milliseconds to wait for a lock whose owner may be about to end, and between two looks at it. */
  logLockWaitMs: 3_000,
  logLockPollMs: 100,
  /** Milliseconds in which the file system of the log, or of the spool, must have made and locked its directory at start. */
  logStartMsMax: 10_000,

  // ---- spool ------------------------------------------------------------------------------------------------
  /** Bytes that the spool may hold. Over it senders are told to wait. */
  spoolBytesMax: 10 * GiB,
  /** Milliseconds that Kafka is given for a record before it goes to the spool. */
  spoolAfterMs: 2_000,
  /** Milliseconds that a start waits for Kafka where there is a spool; then the ports open without it. */
  spoolStartMs: 1_000,
  /** Bytes of spooled records that are delivered in a second, beside what arrives. */
  spoolDrainBytesPerSecond: 64 * MiB,
  /** Topics, guids and senders of which the spool may hold records, together; each is a name in memory. */
  spoolKeysMax: 100_000,
  /** Bytes and records of one delivery from the spool, which are held in memory. */
  spoolDeliveryBytes: 2 * MiB,
  spoolDeliveryRecords: 1_000,
  /** Milliseconds between two tries to deliver, doubling from a tenth of it. */
  spoolRetryMsMax: 1_000,
  /** Milliseconds that what is spooled is tried where it lies, before what Kafka does not take is parked. */
  spoolParkMs: 2_000,
  /** Share of the drain's bytes in a second at which parked records are looked through that Kafka still does not take. */
  spoolParkedShare: 0.25,
  /** Milliseconds between two such looks at all of them, doubling from `spoolRetryMsMax`. */
  spoolParkedMsMax: 30_000,
  /** Share of `diskReserveBytes` that moves of parked records leave free. */
  spoolParkedReserve: 1 / 16,
  /** Bytes that a record takes in the spool beside its value, at most: its head, its headers, the head of a file. */
  spoolRecordOverheadBytes: 2 * KiB,
  /** Parts of `spool.bytesMax` that a segment of the spool is at most, and how many are kept free for parking. */
  spoolSegmentsMin: 16,
  spoolSegmentsKept: 3,
  /** Milliseconds after which the place up to which the spool is delivered is written down again. */
  spoolCursorMs: 250,
  /** Bytes of the file that says that place. */
  spoolCursorBytesMax: 1 * KiB,

  // ---- kafka ------------------------------------------------------------------------------------------------
  /** Bytes of one record's value that Kafka is offered (its own default bound is 1,048,588 for a whole batch). */
  kafkaRecordBytesMax: 950_000,
  /** Bytes of record values packed into one produce request for one partition. */
  kafkaProduceBytesMax: 950_000,
  /** Milliseconds of silence after which a connection to a broker is probed (TCP keep-alive). */
  kafkaKeepAliveMs: 60_000,
  /** Milliseconds for a connection to a broker. */
  kafkaConnectMsMax: 5_000,
  /** Bytes that key, headers and framing may add to one record's value, for packing. */
  kafkaRecordOverheadBytes: 512,
  /** Bytes below a topic's `max.message.bytes` at which values are cut, for key, headers, framing, compression. */
  kafkaBatchOverheadBytes: 4 * KiB,
  /** Producers, each with its own connections and one produce under way. Partitions are shared out among them. */
  kafkaLanesMax: 4,
  /** Repeats of one produce, with the same sequence number, before it counts as failed. */
  kafkaRetriesMax: 5,
  /** Milliseconds between two such repeats, doubling from a tenth of it. */
  kafkaRetryMsMax: 1_000,
  /** Milliseconds between two tries to reach a cluster that is away, doubling from a twentieth of it. */
  kafkaBackoffMsMax: 4_000,
  /** Milliseconds between two looks at the topics while all is well (partitions may be added). */
  kafkaRefreshMs: 60_000,
  /** Levels of nested errors of a client library that are looked at for a cause. */
  errorDepthMax: 8,
  /** Records after which a producer is replaced; sequence numbers are 31 bits. */
  kafkaProducerRecordsMax: 1_000_000_000,
  /** Bytes that a producer keeps for framing its records; what needs more is framed in memory of its own. */
  kafkaScratchBytesMax: 2 * MiB,
  /** Bytes of one block of LZ4, one of the format's four; a record batch above it is several blocks. */
  lz4BlockBytesMax: 1 * MiB,
  /** Bytes that a reader fetches from one broker at a time, compressed. */
  kafkaFetchBytesMax: 4 * MiB,
  /** Milliseconds that a broker may hold a reader's fetch while there is nothing new. */
  kafkaFetchWaitMs: 250,

  // ---- admin ------------------------------------------------------------------------------------------------
  /** Open connections on the admin port. Further ones are closed at once. */
  adminConnectionsMax: 100,
  /** Milliseconds in which `inspect --ledger` must have read the metrics, and bytes that they may have. */
  ledgerReadMsMax: 10_000,
  ledgerBytesMax: 64 * MiB,
  /** Milliseconds between its two readings. */
  ledgerPauseMs: 1_000,

  // ---- configuration ----------------------------------------------------------------------------------------
  /** Bytes of a configuration file, or of a key, certificate or password file that it names. */
  configFileBytesMax: 1 * MiB,
  /** Entries of a list or table in the configuration (`guid.allow`, a `peer` table). */
  configEntriesMax: 10_000,
  /** Options of the same name elsewhere that are named when a key is not known; the others are hinted at. */
  configGuessesMax: 3,
  /** Seconds that a browser may go on after one preflight; Chromium keeps an answer no longer than this. */
  corsMaxAgeSeconds: 7_200,
  /** Milliseconds between two looks at whether the file of the sampling strategies has changed. */
  strategiesPollMs: 2_000,
  /** Services in the file of the sampling strategies, and operations of each; clients keep as many operations. */
  strategiesServicesMax: 10_000,
  strategiesOperationsMax: 2_000,
  /** Levels of lists and objects in that file; its own are five, what is not known in it may have more. */
  strategiesNestingMax: 20,
  /** Bytes that the answers of all services may have together; the operations of the default are in each of them. */
  strategiesBytesMax: 16 * MiB,
  /** Problems of that file, and warnings, that are named; the rest is counted. */
  strategiesProblemsNamed: 20,
  /** Traces per second that a client can be told, an int32. */
  samplingTracesMax: 2 ** 31 - 1,
  /** Bytes of a gRPC client's question for its sampling strategy. Over it: RESOURCE_EXHAUSTED. */
  samplingRequestBytesMax: 16 * KiB,

  // ---- lifecycle --------------------------------------------------------------------------------------------
  /** Milliseconds that a drain may take after SIGTERM; what is not durable by then was not acknowledged. */
  drainMsMax: 20_000,
  /** Milliseconds after the start at which the heap is collected once; not at once, for it would keep the first senders waiting. */
  heapSettleMs: 1_000,
  /** Milliseconds between two equal log lines; those between are counted. */
  logThrottleMs: 10_000,
  /** Kinds of log line that are throttled apart from each other; beyond it, the oldest is forgotten. */
  logThrottleKeysMax: 1_000,

  // ---- workers ----------------------------------------------------------------------------------------------
  /** Processes that share the ports. */
  workersMax: 64,
  /** Those that are started unless the configuration says how many, on a machine with as many cores. */
  workersDefaultMax: 4,
  /** Bytes of memory that there must be for each of them. */
  workerMemoryBytes: 512 * MiB,
  /** Milliseconds between two reports of a worker: how it is, and what it has counted. */
  workerReportMs: 1_000,
  /** Milliseconds without a report after which a worker counts as hung, and is ended and started again. */
  workerSilentMsMax: 20_000,
  /** The same for one whose ports are not open yet: nobody waits for it, and a machine may have much to start at once. */
  workerStartMsMax: 60_000,
  /** Milliseconds that a scrape waits for the report of a worker; then the last one serves. */
  workerScrapeMsMax: 1_000,
  /** Milliseconds before a worker that died again is started again, doubling from a hundredth of it. */
  workerRestartMsMax: 10_000,
  /** Milliseconds that a worker must have served before its death counts as the first one. */
  workerSteadyMs: 60_000,
  /** Starts of one worker that may fail in succession; then the program ends. */
  workerStartsFailedMax: 8,
  /** Milliseconds beyond those of its drain after which a worker that has not ended is ended. */
  workerEndMsMax: 3_000,
  /** Milliseconds between two looks at whether all was heard of a worker that has ended. */
  workerEndLookMs: 10,
  /** Workers that have ended whose counts are kept apart; when there are more, they are added up. */
  workerCountsMax: 8,
} as const

export type Limits = { readonly [K in keyof typeof limits]: number }

const relations: readonly [boolean, string][] = [
  [limits.recordBytesTarget <= limits.kafkaRecordBytesMax, 'a full record must fit Kafka'],
  [limits.kafkaRecordBytesMax < 1_000_000, 'a Kafka record must stay below the smallest common broker limit'],
  [limits.deadLetterBytesMax < limits.kafkaRecordBytesMax, 'a dead letter must fit Kafka'],
  [limits.segmentRecordBytesMax < limits.segmentBytesMax, 'a record must fit a segment'],
  [
    limits.inflatedBytesMax < limits.segmentRecordBytesMax,
    'the largest request must fit the log as one record',
  ],
  [limits.inflatedBytesMax * 2 <= limits.inflightBytesMax, 'the largest request must fit the budget'],
  [
    limits.messageBytesMax < limits.segmentRecordBytesMax,
    'the largest message must fit the log as one record',
  ],
  [limits.messageBytesMax * 2 <= limits.inflightBytesMax, 'the largest message must fit the budget'],
  [
    limits.bodyBytesMax <= limits.inflightBytesMax * limits.bodiesShareMax,
    'the largest body must fit the share of the bodies',
  ],
  [limits.udpQueueBytes > 2 * limits.udpReadBytes + KiB, 'the largest datagram must fit an empty queue'],
  [limits.headersMsMax <= limits.requestMsMax, 'headers are a part of the request'],
  [limits.kafkaProduceBytesMax < 1_000_000, 'a produce must stay below the smallest common broker limit'],
  [
    limits.kafkaProduceBytesMax < limits.kafkaScratchBytesMax,
    'a full produce must fit the memory that is kept',
  ],
  [limits.kafkaProducerRecordsMax < 2 ** 31, 'a sequence number has 31 bits'],
  [limits.kafkaRetriesMax >= 2, '@platformatic/kafka takes fewer than two retries for endless ones'],
  [
    limits.kafkaRetriesMax * limits.kafkaRetryMsMax < limits.appendMsMax,
    'repeats must end before the deadline',
  ],
  [limits.workerSilentMsMax > 5 * limits.workerReportMs, 'a worker that is late with a report is not hung'],
  [limits.appendMsMax < limits.drainMsMax, 'a drain must outlast one append'],
]
for (const [holds, why] of relations) {
  if (!holds) throw new Error(`limits.ts contradicts itself: ${why}`)
}
