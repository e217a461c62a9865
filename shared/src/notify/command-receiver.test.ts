// Goal: an alert sends the command that its receiver is set up for, once, and never too late.
import { expect, test } from "vitest";
import type { AlertTransition } from "../alert/alert.ts";
import type { Command } from "../command/command.ts";
import { CodedError } from "../errors.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import type { CommandReceiverOptions } from "./command-receiver.ts";
import { CommandReceiver } from "./command-receiver.ts";
import { notificationOf, testNotification } from "./notification.ts";

const clock = new VirtualClock();
const now = clock.wallMs();

const alert: AlertTransition = {
  ...{ id: "a1", state: "firing", fingerprint: "f", rule: "too-warm", ruleVersion: "1" },
  ...{ severity: "warning", gateway: "g1", device: "freezer", metric: "temperature" },
  ...{ at: now, firingAt: now, value: -3.5, unit: "Cel", cause: "c", reason: "above -10" },
  late: false,
};

function receiver(options: Partial<CommandReceiverOptions> = {}, failure?: Error) {
  const sent: Command[] = [];
  const usual = { name: "cooler", command: "cool", on: "firing", expires: 60_000, reply: true };
  const made = new CommandReceiver(
    { ...usual, ...options } as CommandReceiverOptions,
    clock,
    async (command) => {
      if (failure !== undefined) throw failure;
      sent.push(command);
    },
  );
  const tell = (change: Partial<AlertTransition> = {}) =>
    made.deliver(notificationOf({ ...alert, ...change }));
  return { sent, tell, made };
}

test("an alert becomes a command to its device, with a payload from the alert", async () => {
  const payload = { at: "{value}", why: "{rule}: {reason}", list: ["{unit}", 1, true, null] };
  const { sent, tell } = receiver({ payload });
  expect(await tell()).toEqual({ kind: "delivered" });
  expect(sent).toEqual([
    {
      ...{ id: expect.stringMatching(/^alert-[0-9a-f]{32}$/), gateway: "g1", device: "freezer" },
      ...{ name: "cool", reply: true, json: true, by: "receiver cooler", causationid: "a1" },
      payload: '{"at":-3.5,"why":"too-warm: above -10","list":["Cel",1,true,null]}',
      ...{ issuedAt: now, expiresAt: now + 60_000 },
    },
  ]);
});

test("told again it is the same command; another state, alert or receiver makes another", async () => {
  const ids = async (name: string, change: Partial<AlertTransition> = {}) => {
    const { sent, tell } = receiver({ name, on: "both" });
    await tell(change);
    return sent[0]?.id;
  };
  const first = await ids("cooler");
  expect(await ids("cooler")).toBe(first);
  const others = [await ids("other"), await ids("cooler", { id: "a2" })];
  const resolved = await ids("cooler", { state: "resolved" });
  expect(new Set([first, ...others, resolved]).size).toBe(4);
});

test("only the states that are wanted send one, and settings go before the alert's names", async () => {
  const { sent, tell } = receiver({ on: "resolved", gateway: "g9", device: "fan" });
  await tell();
  expect(sent).toEqual([]);
  await tell({ state: "resolved" });
  expect(sent).toMatchObject([{ gateway: "g9", device: "fan", payload: "" }]);
});

test("an alert that names no gateway or no device is refused, and says what to set", async () => {
  const { sent, tell, made } = receiver();
  expect(await tell({ gateway: "@hall-a" })).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("set gateway"),
  });
  expect(await tell({ device: "" })).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("set device"),
  });
  expect(await tell({ device: "a/b" })).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("COMMAND_INVALID"),
  });
  const test = testNotification("cooler", "key", now);
  expect(await made.deliver(test)).toMatchObject({ kind: "refused" });
  expect(sent).toEqual([]);
});

test("one that became known longer ago than it lives sends none: a device must not act on it now", async () => {
  const { sent, tell } = receiver();
  expect(await tell({ at: now - 60_000 })).toMatchObject({
    kind: "delivered",
    note: expect.stringContaining("too late"),
  });
  expect(sent).toEqual([]);
  // It happened long ago, and is news all the same.
  await tell({ at: now - 3_600_000, knownAt: now - 1_000 });
  expect(sent).toMatchObject([{ expiresAt: now + 59_000 }]);
});

test("what failed for now is tried again, what was sent under other settings is not", async () => {
  const failing = (code: "COMMANDS_FULL" | "COMMAND_TAKEN") =>
    receiver({}, new CodedError(code, "x")).tell();
  expect(await failing("COMMANDS_FULL")).toMatchObject({ kind: "retry" });
  expect(await failing("COMMAND_TAKEN")).toMatchObject({ kind: "delivered" });
  expect(await receiver({}, new Error("no answer")).tell()).toMatchObject({ kind: "retry" });
});
