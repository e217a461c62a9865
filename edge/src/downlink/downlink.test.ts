// Goal: what the downlink decides about commands (W3, W4, W6, W7).
import type { Command } from "@causeway/shared/command/command.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { expect, test } from "vitest";
import type { DownlinkAction, DownlinkBounds, DownlinkEvent, Now } from "./downlink.ts";
import { Downlink, defaultDownlinkBounds, rememberedMs } from "./downlink.ts";

const issuedAt = Date.UTC(2026, 10, 21);
const lifetimeMs = 60_000;

function commandOf(id: string, more: Partial<Command> = {}): Command {
  return {
    ...{ id, gateway: gatewayId("gw"), device: "d", name: "do", payload: "1", json: true },
    ...{ reply: true, issuedAt, expiresAt: issuedAt + lifetimeMs, by: "x", causationid: null },
    ...more,
  };
}

/** A downlink whose writes are durable at once and whose device is there, unless told otherwise. */
class Told {
  readonly downlink: Downlink;
  now: Now = { boot: "b1", bootMs: 1_000, presentMs: issuedAt };
  readonly told: string[] = [];
  isWanted = true;
  #token = 0;

  constructor(bounds: Partial<DownlinkBounds> = {}) {
    this.downlink = new Downlink({ ...defaultDownlinkBounds, ...bounds });
  }

  fetch(command: Command, fault?: string): void {
    this.step({ kind: "fetched", command, fault, token: ++this.#token });
  }

  later(ms: number): void {
    const { boot, bootMs, presentMs } = this.now;
    const present = presentMs === undefined ? undefined : presentMs + ms;
    this.now = { boot, bootMs: bootMs + ms, presentMs: present };
    this.step({ kind: "time" });
  }

  step(event: DownlinkEvent): void {
    for (const action of this.downlink.step(event, this.now)) this.#act(action);
  }

  #act(action: DownlinkAction): void {
    switch (action.kind) {
      case "accept": {
        const { id } = action.open.command;
        this.told.push(`accept ${id}`);
        return this.step({ kind: "accepted", id, token: action.token, isKept: true });
      }
      case "offer": {
        const { id } = action.open.command;
        this.told.push(`offer ${id}`);
        return this.step({ kind: "offered", id, places: {}, direct: this.isWanted ? 1 : 0 });
      }
      case "note":
        return void this.told.push(`delivered ${action.open.command.id}`);
      case "close": {
        const { id } = action.open.command;
        const { state, detail } = action.ending;
        this.told.push(`${state} ${id}: ${detail}`);
        const token = action.token === undefined ? {} : { token: action.token };
        return this.step({ kind: "closed", id, isKept: true, ...token });
      }
      case "acknowledge":
        return void this.told.push("acknowledge");
      case "forget":
        return void this.told.push(`forget ${action.ids.join(" ")}`);
    }
  }

  take(): string[] {
    return this.told.splice(0);
  }
}

test("a command that comes again, open or closed, is acknowledged and has no second effect (W3)", () => {
  const told = new Told();
  told.fetch(commandOf("c"));
  expect(told.take()).toEqual(["accept c", "acknowledge", "offer c"]);
  told.fetch(commandOf("c"));
  expect(told.take()).toEqual(["acknowledge"]);
  told.step({ kind: "answered", id: "c", ending: { state: "done", detail: "" } });
  told.take();
  told.fetch(commandOf("c"));
  expect(told.take()).toEqual(["acknowledge"]);
  told.later(lifetimeMs + rememberedMs);
  expect(told.take()).toEqual([]);
  told.later(1);
  expect(told.take()).toEqual(["forget c"]);
});

test("what closed first is forgotten first where too many are remembered (W3)", () => {
  const told = new Told({ rememberedMax: 2 });
  for (const id of ["a", "b", "c"]) told.fetch(commandOf(id), "not signed");
  expect(told.take()).toContain("forget a");
  expect(told.downlink.closedUntil("b")).toBeDefined();
});

test("a device is handed a few at a time, in the order of arrival (W4)", () => {
  const told = new Told({ inflightPerDeviceMax: 2 });
  for (const id of ["a", "b", "c", "d"]) told.fetch(commandOf(id));
  told.fetch(commandOf("other", { device: "e" }));
  const offers = () => told.take().filter((line) => line.startsWith("offer"));
  expect(offers()).toEqual(["offer a", "offer b", "offer other"]);
  told.step({ kind: "acknowledged", id: "a", by: "d" });
  expect(offers()).toEqual(["offer c"]);
  told.step({ kind: "lost", id: "b" });
  expect(offers()).toEqual(["offer b"]);
  told.step({ kind: "answered", id: "b", ending: { state: "failed", detail: "" } });
  expect(offers()).toEqual(["offer d"]);
});

test("where nobody takes it, it waits for a subscription to its topic (W4)", () => {
  const told = new Told();
  told.isWanted = false;
  told.fetch(commandOf("c"));
  told.take();
  told.later(1_000);
  expect(told.take()).toEqual([]);
  told.isWanted = true;
  told.step({ kind: "wanted", matches: (topic) => topic === "devices/d/commands/other" });
  expect(told.take()).toEqual([]);
  told.step({ kind: "wanted", matches: (topic) => topic === "devices/d/commands/do" });
  expect(told.take()).toEqual(["offer c"]);
});

test("without a reply it is done by its PUBACK, else it waits for the reply until it expires", () => {
  const told = new Told();
  told.fetch(commandOf("plain", { reply: false }));
  told.fetch(commandOf("asks"));
  told.take();
  told.step({ kind: "acknowledged", id: "plain", by: "d" });
  told.step({ kind: "acknowledged", id: "asks", by: "d" });
  expect(told.take()).toEqual([
    "delivered plain",
    "done plain: acknowledged by d",
    "delivered asks",
  ]);
  told.later(lifetimeMs - 1);
  expect(told.take()).toEqual([]);
  told.later(1);
  expect(told.take()).toEqual(["expired asks: it was delivered, and no reply came"]);
});

test("one that comes too late, or that its signature does not vouch for, is not handed out", () => {
  const told = new Told();
  told.now = { ...told.now, presentMs: issuedAt + lifetimeMs };
  told.fetch(commandOf("late"));
  told.now = { ...told.now, presentMs: issuedAt };
  told.fetch(commandOf("forged"), "not signed");
  expect(told.take()).toEqual([
    ...["expired late: it came too late", "acknowledge"],
    ...["refused forged: not signed", "acknowledge"],
  ]);
});

test("while the clock is not set it lives for its whole lifetime from its receipt (W6)", () => {
  const told = new Told();
  // The machine believes in 1970; the command was issued in 2026.
  told.now = { boot: "b1", bootMs: 5_000, presentMs: undefined };
  told.fetch(commandOf("c"));
  expect(told.take()).toEqual(["accept c", "acknowledge", "offer c"]);
  told.later(lifetimeMs - 1);
  expect(told.take()).toEqual([]);
  told.later(1);
  expect(told.take()).toEqual([expect.stringContaining("expired c")]);
});

test("one of an earlier boot waits, unsent, until the clock is set (W6)", () => {
  const told = new Told();
  told.downlink.load(
    [
      {
        ...{ command: commandOf("c"), order: 1, deadline: { boot: "b0", ms: 9 } },
        ...{ phase: "ready", places: {}, direct: 0, ending: undefined, isClosing: false },
      },
    ],
    new Map(),
  );
  told.now = { boot: "b1", bootMs: 0, presentMs: undefined };
  told.later(10 * lifetimeMs);
  expect(told.take()).toEqual([]);
  told.now = { ...told.now, presentMs: issuedAt + 1 };
  told.step({ kind: "time" });
  expect(told.take()).toEqual(["offer c"]);
});

test("no more is fetched than there is room for (W7)", () => {
  const told = new Told({ openMax: 3, openBytesMax: 3_000 });
  told.isWanted = false;
  expect(told.downlink.room).toBe(3);
  told.fetch(commandOf("a"));
  expect(told.downlink.room).toBe(2);
  told.fetch(commandOf("b", { payload: "x".repeat(2_000), json: false }));
  expect(told.downlink.room).toBe(0);
  told.step({ kind: "answered", id: "b", ending: { state: "done", detail: "" } });
  expect(told.downlink.room).toBe(2);
});
