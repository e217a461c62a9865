/** What every Connection promises (C1-C3 of connection.ts), the one in memory and the real one. */
import { deviceId } from "@causeway/shared/names.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Connection, ConnectionListener, Publish } from "../connection.ts";
import { telemetryTopic } from "../connection.ts";

export interface BrokerHarness {
  connect(windowMax: number, listener: ConnectionListener): Connection;
  /** Payloads in the order in which they arrived, also what came again. */
  received(): readonly string[];
  untilReceived(count: number): Promise<void>;
  /** From now on publishes arrive and are not acknowledged. */
  silence(): void;
  away(): Promise<void>;
  /** It acknowledges again, too. */
  back(): Promise<void>;
  stop(): Promise<void>;
}

const device = deviceId("pump");
const never = new AbortController().signal;

function publish(seq: number): Publish {
  return { device, topic: telemetryTopic(device), payload: JSON.stringify({ seq }), seq };
}

class Told implements ConnectionListener {
  readonly sentSeqs: number[] = [];
  readonly acknowledgements: (readonly [seq: number, resends: number])[] = [];
  onlines = 0;
  offlines = 0;
  online(): void {
    this.onlines += 1;
  }
  offline(): void {
    this.offlines += 1;
  }
  sent({ seq }: Publish): void {
    this.sentSeqs.push(seq);
  }
  acknowledged({ seq }: Publish, resends: number): void {
    this.acknowledgements.push([seq, resends]);
  }
  written(): void {}
  refused(): void {}
}

function seqsOf(payloads: readonly string[]): readonly number[] {
  return payloads.map((payload) => (JSON.parse(payload) as { seq: number }).seq);
}

export function connectionContract(name: string, open: () => Promise<BrokerHarness>): void {
  describe(`${name} as a connection`, () => {
    let broker: BrokerHarness;
    let told: Told;

    beforeEach(async () => {
      broker = await open();
      told = new Told();
    });

    afterEach(() => broker.stop());

    test("C1 keeps the order of publishes while the broker is away and comes back", async () => {
      const connection = broker.connect(100, told);
      connection.start();
      for (const seq of [1, 2, 3]) connection.publish(publish(seq));
      await connection.below(1, never);
      await broker.away();
      for (const seq of [4, 5, 6]) connection.publish(publish(seq));
      await broker.back();
      await connection.below(1, never);
      expect(seqsOf(broker.received())).toEqual([1, 2, 3, 4, 5, 6]);
      expect(told.sentSeqs).toEqual([1, 2, 3, 4, 5, 6]);
      await connection.stop();
    });

    test("C1 sends what is unacknowledged again before anything new", async () => {
      const connection = broker.connect(100, told);
      connection.start();
      connection.publish(publish(1));
      await connection.below(1, never);
      broker.silence();
      for (const seq of [2, 3]) connection.publish(publish(seq));
      await broker.untilReceived(3);
      await broker.away();
      connection.publish(publish(4));
      await broker.back();
      await connection.below(1, never);
      expect(seqsOf(broker.received())).toEqual([1, 2, 3, 2, 3, 4]);
      await connection.stop();
    });

    test("C2 tells an acknowledgement once, with how often it may have been re-sent", async () => {
      const connection = broker.connect(100, told);
      connection.start();
      broker.silence();
      connection.publish(publish(1));
      await broker.untilReceived(1);
      expect(told.acknowledgements).toEqual([]);
      expect(connection.pending).toBe(1);
      await broker.away();
      await broker.back();
      await connection.below(1, never);
      connection.publish(publish(2));
      await connection.below(1, never);
      expect(told.acknowledgements).toEqual([
        [1, 1],
        [2, 0],
      ]);
      await connection.stop();
    });

    test("C3 has no room beyond its window and tells when there is room again", async () => {
      await broker.away();
      const connection = broker.connect(2, told);
      connection.start();
      connection.publish(publish(1));
      expect(connection.hasRoom).toBe(true);
      connection.publish(publish(2));
      expect(connection.hasRoom).toBe(false);
      await broker.back();
      await connection.below(2, never);
      expect(connection.hasRoom).toBe(true);
      await connection.stop();
    });

    test("a wait for room ends when it is aborted", async () => {
      await broker.away();
      const connection = broker.connect(1, told);
      connection.start();
      connection.publish(publish(1));
      const ending = new AbortController();
      const waited = connection.below(1, ending.signal);
      ending.abort();
      await waited;
      expect(connection.pending).toBe(1);
      await connection.stop();
    });
  });
}
