/** What the bench and its sender of datagrams say to each other. */

export type UdpCommand =
  /** `spans`: in a datagram. */
  | { readonly type: 'start'; readonly port: number; readonly spans: number }
  /** 0: nothing is sent. Answered with `sent` when all of the former pace have left. */
  | { readonly type: 'pace'; readonly perSecond: number }

export type UdpReport =
  | { readonly type: 'ready'; readonly datagramBytes: number }
  /** Since the start; `cpuSeconds` are the sender's own. */
  | { readonly type: 'sent'; readonly datagrams: number; readonly cpuSeconds: number }
  | { readonly type: 'failed'; readonly text: string }
