/** What one run has done so far. */
export interface Counts {
  /** Handed to the broker for the first time. */
  readonly sent: number;
  readonly acknowledged: number;
  /** Sent and neither acknowledged nor, with QoS 0, written. */
  readonly inFlight: number;
  /** Acknowledged publishes that may have reached the broker more than once. */
  readonly resent: number;
  /** Samples not taken because the window was full or the process was late; they have no seq. */
  readonly skipped: number;
  /** Input rows that could not be read and were left out. */
  readonly badRows: number;
}

export class Tally implements Counts {
  sent = 0;
  acknowledged = 0;
  written = 0;
  resent = 0;
  skipped = 0;
  badRows = 0;

  get inFlight(): number {
    return this.sent - this.acknowledged - this.written;
  }
}
