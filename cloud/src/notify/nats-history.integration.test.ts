// The end of a gateway's history is asked of its newest mark, and no more often than need be.
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { encodeMark } from "@causeway/shared/mark.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { expect, onTestFinished, test } from "vitest";
import { GatewayLedger } from "../ledger/ledger.ts";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { NatsHistory } from "./nats-history.ts";

const [older, newer] = ["1-00000001", "2-00000002"] as EpochId[] as [EpochId, EpochId];

function markOf(gateway: string, through: number): string {
  const ledger = new GatewayLedger(gateway);
  ledger.noteLive(newer);
  ledger.noteBefore(newer, { epoch: older, ends: { telemetry: 5, priority: 0 } });
  ledger.take(older, "telemetry", through);
  return encodeMark(ledger.mark(1, []));
}

test("a gateway whose history drains is told from those that owe nothing, and from sites", async () => {
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const connection = await connectTest(server.url);
  onTestFinished(() => connection.close());
  const manager = await jetstreamManager(connection);
  await prepareStreams(manager);
  const client = jetstream(connection);
  const publish = (gateway: string, text: string) =>
    client.publish(subjects.mark(3, gatewayId(gateway)), text);
  const many = Array.from({ length: 70 }, (_, index) => `gw-${index}`);
  for (const gateway of many) await publish(gateway, markOf(gateway, 5));
  await publish("gw-7", markOf("gw-7", 4));
  await publish("broken", "nonsense");
  const clock = new VirtualClock();
  const history = new NatsHistory(manager, clock);
  const asked = [...many, "broken", "never-seen", "@cold room", "_cloud"];
  const taken = await history.taken(asked);
  expect(asked.filter((gateway) => !taken.has(gateway))).toEqual(["gw-7", "broken"]);
  await publish("gw-7", markOf("gw-7", 5));
  expect(await history.taken(["gw-7"]), "known for 10 s").toEqual(new Set());
  await clock.advance(10_000);
  expect(await history.taken(["gw-7"])).toEqual(new Set(["gw-7"]));
});
