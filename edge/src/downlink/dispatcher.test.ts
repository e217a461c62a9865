// Goal: what the dispatcher makes of messages that are no good command for this gateway.
import type { Command } from "@causeway/shared/command/command.ts";
import { encodeCommand, encodeSigned } from "@causeway/shared/command/command.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { contentsOf } from "../testing/outbox-contents.ts";
import { Life } from "../testing/outbox-life.ts";
import { Dispatcher } from "./dispatcher.ts";

async function begin() {
  const life = await Life.begin(new MemoryDisk());
  const { outbox, clock } = life;
  outbox.listen({ epochOpened() {}, appended() {}, poisoned() {} });
  const dispatcher = new Dispatcher({
    ...{ gateway: gatewayId("gw"), outbox, clock, log: silentLogger, publicKeys: undefined },
    presentMs: () => clock.wallMs(),
  });
  await dispatcher.load();
  let acknowledged = 0;
  const take = async (text: string) => {
    dispatcher.take(text, () => acknowledged++);
    await clock.advance(1);
  };
  const events = async () => {
    const items = await contentsOf(outbox, outbox.run, "priority");
    return items.map(({ event }) => event);
  };
  return { dispatcher, take, events, acknowledged: () => acknowledged, clock };
}

test("what cannot be read is told and goes, lest it comes for ever", async () => {
  const { take, events, acknowledged } = await begin();
  for (const text of ["", "{}", '{"v":1,"body":"{}"}', '{"v":2,"body":""}']) await take(text);
  expect(acknowledged()).toBe(4);
  const told = (await events()).map((event) => event?.kind === "system" && event.name);
  expect(told).toEqual(Array(4).fill("command-unreadable"));
});

test("a command for another gateway is refused", async () => {
  const { take, events, acknowledged, clock } = await begin();
  const now = clock.wallMs();
  const command: Command = {
    ...{ id: "c", gateway: gatewayId("other"), device: "d", name: "do", payload: "", json: false },
    ...{ reply: true, issuedAt: now, expiresAt: now + 60_000, by: "x", causationid: null },
  };
  await take(encodeSigned({ body: encodeCommand(command), signature: undefined }));
  expect(acknowledged()).toBe(1);
  expect(await events()).toMatchObject([
    {
      kind: "reply",
      command: "c",
      state: "refused",
      final: true,
      detail: expect.stringContaining("other"),
    },
  ]);
});
