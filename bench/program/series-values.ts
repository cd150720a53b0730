/** The recorded bodies of remote write as they are sent beside a peer. */

/** The one guid of all series: the gateway finds it in a header, the peer has it in its configuration. */
export const seriesGuid = 'shop'
