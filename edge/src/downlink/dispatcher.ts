/** Does what downlink.ts decides: fetched commands to the disk, to the broker, and back as events. */
import type { KeyObject } from "node:crypto";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { Command, ReplyTopic } from "@causeway/shared/command/command.ts";
import {
  commandTopic,
  decodeCommand,
  decodeSigned,
  deviceMessage,
  parseReplyTopic,
} from "@causeway/shared/command/command.ts";
import { isSignedBy } from "@causeway/shared/command/command-signature.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Event, ReplyEvent } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { isDeviceId } from "@causeway/shared/names.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { Publish, SettlePublish } from "../broker/broker.ts";
import { matches } from "../broker/topic-filter.ts";
import type { Companion } from "../outbox/companions.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { Change } from "../outbox/store.ts";
import type { CommandBroker } from "./command-broker.ts";
import {
  closedChange,
  commandIn,
  commandRecords,
  decodeCommandRecord,
  noCommandChange,
  openChange,
} from "./command-records.ts";
import type { DownlinkAction, DownlinkEvent, Ending, Now, OpenCommand } from "./downlink.ts";
import { Downlink, defaultDownlinkBounds, rememberedMs } from "./downlink.ts";
import { replyOf } from "./reply.ts";

export interface DispatcherParts {
  readonly gateway: GatewayId;
  readonly outbox: Pick<Outbox, "append" | "records">;
  readonly clock: Clock;
  /** Real time; undefined while the clock is not set. */
  readonly presentMs: () => number | undefined;
  /** Commands that none of them signed are refused; undefined where none need be signed. */
  readonly publicKeys: readonly KeyObject[] | undefined;
  readonly log: Logger;
}

export interface DispatcherCounters {
  readonly fetched: number;
  readonly done: number;
  readonly failed: number;
  readonly expired: number;
  readonly refused: number;
}

/** What a command is closed by, besides its expiry: a message of the cloud's, or a device's reply. */
interface Cause {
  readonly token?: number | undefined;
  readonly replied?: Replied;
}

/** Its publish settles with the command's ending. */
interface Replied {
  readonly publish: Publish;
  readonly settle: SettlePublish;
  readonly carried: Pick<ReplyEvent, "payload" | "encoding">;
}

const tickMs = 1_000;

export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #downlink = new Downlink(defaultDownlinkBounds);
  readonly #tokens = new Map<number, () => void>();
  #token = 0;
  #broker: CommandBroker | undefined;
  #tick: Cancel | undefined;
  #counters = { fetched: 0, done: 0, failed: 0, expired: 0, refused: 0 };

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  status(): { readonly figures: Downlink["figures"]; readonly counters: DispatcherCounters } {
    return { figures: this.#downlink.figures, counters: { ...this.#counters } };
  }

  /** How many more may be fetched now. */
  get room(): number {
    return this.#downlink.room;
  }

  /** Reads what is on the disk; before devices may connect. */
  async load(): Promise<void> {
    const { outbox, log } = this.#parts;
    outbox.records.keep({ seal: () => [], restore: (keys) => this.#restore(keys) });
    const found = await outbox.records.scan({
      ...commandRecords,
      countMax: Number.MAX_SAFE_INTEGER,
    });
    const open: OpenCommand[] = [];
    const closed = new Map<string, number>();
    for (const [key, value] of found) {
      try {
        const record = decodeCommandRecord(value);
        if (record.kind === "open") open.push(record.open);
        else closed.set(commandIn(key) ?? "", record.until);
      } catch (failure) {
        log.warn({ reason: reasonOf(failure) }, "the record of a command is unreadable");
      }
    }
    this.#downlink.load(open, closed);
  }

  /** Once the broker knows its sessions; what is open goes on. */
  start(broker: CommandBroker): void {
    this.#broker = broker;
    for (const { command, phase, places } of [...this.#downlink.open()]) {
      if (phase !== "offered") continue;
      for (const client of broker.rejoin(command.id, places)) {
        this.#step({ kind: "lost", id: command.id, client });
      }
    }
    broker.listen({
      acknowledged: (id, by) => this.#step({ kind: "acknowledged", id, by }),
      lost: (id, client) =>
        this.#step({ kind: "lost", id, ...(client === undefined ? {} : { client }) }),
      wanted: (filters) => {
        const isWanted = (topic: string) => filters.some((filter) => matches(filter, topic));
        this.#step({ kind: "wanted", matches: isWanted });
      },
    });
    this.#time();
  }

  stop(): void {
    this.#tick?.();
    this.#tick = undefined;
    this.#broker = undefined;
  }

  /** A message of the cloud's; `acknowledge` is called once it need not come again. */
  take(text: string, acknowledge: () => void): void {
    this.#counters.fetched++;
    const token = ++this.#token;
    this.#tokens.set(token, acknowledge);
    let command: Command;
    let fault: string | undefined;
    try {
      const { body, signature } = decodeSigned(text);
      command = decodeCommand(body);
      fault = this.#faultOf(command, body, signature);
    } catch (failure) {
      return this.#unreadable(failure, token);
    }
    this.#fetched(command, fault, token);
  }

  /** A command of the gateway itself; `acknowledge` is called once it is on the disk. */
  takeOwn(command: Command, acknowledge: () => void): void {
    const token = ++this.#token;
    this.#tokens.set(token, acknowledge);
    this.#fetched(command, undefined, token);
  }

  #fetched(command: Command, fault: string | undefined, token: number): void {
    const event = { kind: "fetched", command, fault, token } as const;
    const actions = this.#downlink.step(event, this.#now());
    // Its first write is under way: nothing is to be said of this repeat.
    if (actions.length === 0) this.#tokens.delete(token);
    for (const action of actions) this.#act(action);
  }

  #faultOf(command: Command, body: string, signature: string | undefined): string | undefined {
    const { gateway, publicKeys } = this.#parts;
    if (publicKeys !== undefined && !isSignedBy(body, signature, publicKeys)) {
      return signature === undefined
        ? "it is not signed, and this gateway takes signed commands only"
        : "its signature is by none of this gateway's keys";
    }
    return command.gateway === gateway ? undefined : `it is for gateway ${shown(command.gateway)}`;
  }

  /** Nobody can say what it was: it is told, and goes. */
  #unreadable(failure: unknown, token: number): void {
    const detail = reasonOf(failure).slice(0, 1_024);
    this.#parts.log.error({ reason: detail }, "a command that cannot be read");
    const event: Event = {
      ...{ kind: "system", ...this.#common(null), name: "command-unreadable", detail },
    };
    this.#parts.outbox.append("priority", event, (why) => {
      if (why === undefined) this.#acknowledge(token);
      else this.#tokens.delete(token);
    });
  }

  /** A device's publish; false where it is no reply. */
  reply(publish: Publish, settle: SettlePublish): boolean {
    const topic = parseReplyTopic(publish.topic);
    if (topic === undefined) return false;
    const open = this.#downlink.get(topic.id);
    const isOpen =
      open?.command.device === topic.device && open.phase !== "accepting" && !open.isClosing;
    const answer = replyOf(publish.payload);
    if (!isOpen || open === undefined) this.#stray(topic, publish, answer, settle);
    else {
      const { state, detail, ...carried } = answer;
      const told = { kind: "answered", id: topic.id, ending: { state, detail } } as const;
      for (const action of this.#downlink.step(told, this.#now())) {
        if (action.kind !== "close") this.#act(action);
        else this.#close(action.open, action.ending, { replied: { publish, settle, carried } });
      }
    }
    return true;
  }

  /** It must not crowd out the priority log, whatever a device makes up. */
  #stray(
    { device, id }: ReplyTopic,
    { topic, companion }: Publish,
    { payload, encoding, state }: ReturnType<typeof replyOf>,
    settle: SettlePublish,
  ): void {
    const why = this.#downlink.closedUntil(id) === undefined ? "is open here" : "is open any more";
    const event: ReplyEvent = {
      ...{ kind: "reply", ...this.#common(device), topic, command: id, state: "answered" },
      ...{ final: false, detail: `${state}; no command of this id and device ${why}` },
      ...(payload === undefined ? {} : { payload }),
      ...(encoding === undefined ? {} : { encoding }),
    };
    this.#parts.outbox.append("telemetry", event, settle, companion);
  }

  #step(event: DownlinkEvent): void {
    for (const action of this.#downlink.step(event, this.#now())) this.#act(action);
  }

  #now(): Now {
    const { clock, presentMs } = this.#parts;
    return { boot: clock.bootId, bootMs: clock.bootMs(), presentMs: presentMs() };
  }

  #act(action: DownlinkAction): void {
    switch (action.kind) {
      case "acknowledge":
        return this.#acknowledge(action.token);
      case "accept":
        return this.#accept(action.open, action.token);
      case "offer":
        return this.#offer(action.open);
      case "note":
        return this.#note(action.open, action.by);
      case "close":
        return this.#close(action.open, action.ending, { token: action.token });
      case "forget":
        return this.#parts.outbox.records.write(action.ids.map(noCommandChange));
    }
  }

  #acknowledge(token: number): void {
    this.#tokens.get(token)?.();
    this.#tokens.delete(token);
  }

  /** W1. */
  #accept(open: OpenCommand, token: number): void {
    const { id } = open.command;
    const event = this.#event(open, { state: "accepted", final: false, detail: "" });
    const settle: SettlePublish = (failure) => {
      if (failure !== undefined) this.#tokens.delete(token);
      this.#step({ kind: "accepted", id, token, isKept: failure === undefined });
    };
    const record = { join: () => [openChange(open)] };
    this.#parts.outbox.append("priority", event, settle, record);
  }

  /** W4. */
  #offer(open: OpenCommand): void {
    const { command } = open;
    const { id, device } = command;
    const message = { id, device, topic: commandTopic(command), payload: deviceMessage(command) };
    const offer = this.#broker?.offer(message);
    if (offer === undefined) return this.#step({ kind: "offered", id, places: {}, direct: 0 });
    const { places, changes } = offer;
    const send = () => this.#step({ kind: "offered", id, places, direct: offer.send() });
    if (changes.length === 0) return send();
    this.#step({ kind: "offering", id, places });
    const { records } = this.#parts.outbox;
    records.write([...changes, openChange(open)], (failure) => {
      const gone = offer.settle(failure === undefined);
      // It may have been closed meanwhile.
      const isWanted = this.#downlink.get(id)?.phase === "offered" && !open.isClosing;
      if (failure === undefined && isWanted) {
        send();
        for (const client of gone) this.#step({ kind: "lost", id, client });
        return;
      }
      if (failure === undefined) records.write(this.#broker?.withdraw(places) ?? []);
      this.#step({ kind: "unoffered", id });
    });
  }

  /** W5. */
  #note(open: OpenCommand, by: string): void {
    this.#parts.outbox.records.write([openChange(open)]);
    if (!open.command.reply) return;
    const detail = `acknowledged by ${by}`;
    const event = this.#event(open, { state: "delivered", final: false, detail });
    this.#parts.outbox.append("priority", event, () => {});
  }

  /** W2. */
  #close(open: OpenCommand, ending: Ending, { token, replied }: Cause): void {
    const { command, places } = open;
    const { id, expiresAt } = command;
    const event = this.#event(open, { ...ending, final: true, ...replied?.carried });
    const companion: Companion = {
      join: () => [
        ...(replied?.publish.companion?.join() ?? []),
        ...(this.#broker?.withdraw(places) ?? []),
        closedChange(id, expiresAt + rememberedMs),
      ],
    };
    const settle: SettlePublish = (failure) => {
      const isKept = failure === undefined;
      if (isKept) this.#counters[ending.state]++;
      else if (token !== undefined) this.#tokens.delete(token);
      replied?.settle(failure);
      this.#step({ kind: "closed", id, isKept, ...(token === undefined ? {} : { token }) });
      if (isKept) return;
      // They were taken out of the queues.
      for (const client of Object.keys(places)) this.#step({ kind: "lost", id, client });
    };
    this.#parts.outbox.append("priority", event, settle, companion);
  }

  #event(open: OpenCommand, told: Pick<ReplyEvent, "state" | "final" | "detail">): ReplyEvent {
    const { id, name, device } = open.command;
    const detail = told.detail.slice(0, 1_024);
    return { kind: "reply", ...this.#common(device), command: id, name, ...told, detail };
  }

  #common(name: string | null) {
    const device = name !== null && isDeviceId(name) ? name : null;
    return { device, topic: null, bootMs: this.#parts.clock.bootMs(), observedAt: null };
  }

  #restore(keys: readonly Uint8Array[]): readonly Change[] {
    return keys.flatMap((key) => {
      const id = commandIn(key);
      if (id === undefined) return [];
      const open = this.#downlink.get(id);
      if (open !== undefined && open.phase !== "accepting") return [openChange(open)];
      const until = this.#downlink.closedUntil(id);
      return [until === undefined ? noCommandChange(id) : closedChange(id, until)];
    });
  }

  #time(): void {
    this.#step({ kind: "time" });
    this.#tick = this.#parts.clock.after(tickMs, () => this.#time());
  }
}
