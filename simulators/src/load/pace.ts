/**
 * When a connection's messages are due. In a closed loop each is due as soon as there is room; in an
 * open loop all connections together keep a rate, and latency counts from the time at which a message
 * was due, so that a broker that stalls cannot hide the messages which it kept from being sent.
 */
export interface Pace {
  /** Milliseconds; message `index` of the connection is due then. */
  dueMs(index: number): number;
  readonly isOpen: boolean;
}

export const closedLoop: Pace = { dueMs: () => Number.NEGATIVE_INFINITY, isOpen: false };

/** The share of connection `number` of `connections`; their messages are spread evenly in time. */
export function openLoop(
  perSecond: number,
  number: number,
  connections: number,
  beginMs: number,
): Pace {
  const msPerMessage = 1_000 / perSecond;
  return {
    dueMs: (index) => beginMs + (index * connections + number) * msPerMessage,
    isOpen: true,
  };
}
