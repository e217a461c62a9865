/**
 * Commands on their way from the cloud to devices, as a state machine: `step` changes only its own
 * state and says what is to be done; dispatcher.ts does it.
 *
 *   W1  A command is acknowledged to the cloud once it is on the disk, whole and with its state.
 *   W2  It ends in exactly one final event, in one write with the state that says so.
 *   W3  One that came before, open or closed, is acknowledged and has no second effect; closed ones
 *       are remembered until the cloud gives them out no more.
 *   W4  It is handed to whoever takes commands for its device, in the order of arrival, a few at a
 *       time; with a queue of a session in one write with that queue. Nobody there: it waits.
 *   W5  A PUBACK counts at once, whatever becomes of the write behind it: what a device has must not
 *       be sent to it again. Until there is one it is sent again: a crash may repeat, never lose.
 *   W6  It expires by the present where that is known. While the clock is not set, the server's word
 *       counts, which gives out nothing that is expired: then its whole lifetime from its receipt;
 *       one that an earlier boot received is neither sent nor given up until the clock is set.
 *   W7  What is open is bounded; no more is fetched than there is room for.
 */
import type { Command } from "@causeway/shared/command/command.ts";
import { commandTopic } from "@causeway/shared/command/command.ts";
import type { ReplyState } from "@causeway/shared/event.ts";

export interface DownlinkBounds {
  readonly openMax: number;
  readonly openBytesMax: number;
  /** Handed out to one device, and not acknowledged by it. */
  readonly inflightPerDeviceMax: number;
  readonly rememberedMax: number;
}

export const defaultDownlinkBounds: DownlinkBounds = {
  openMax: 1_000,
  openBytesMax: 4 * 1_024 * 1_024,
  inflightPerDeviceMax: 16,
  rememberedMax: 20_000,
};

/** After its expiry a closed command is remembered so long: clocks differ, messages linger. */
export const rememberedMs = 600_000;

export interface Now {
  readonly boot: string;
  readonly bootMs: number;
  /** Real time; undefined while the clock is not set. */
  readonly presentMs: number | undefined;
}

/** Places in the queues of sessions, by client. */
export type Places = Readonly<Record<string, number>>;

type Phase =
  /** Its first write is under way. */
  | "accepting"
  | "ready"
  /** Handed out, or about to be. */
  | "offered"
  /** Nobody takes commands for its device on its topic. */
  | "unwanted"
  | "delivered";

export interface OpenCommand {
  readonly command: Command;
  /** Counts up with the arrivals. */
  readonly order: number;
  /** When it is over while the clock is not set (W6). */
  readonly deadline: { readonly boot: string; readonly ms: number };
  phase: Phase;
  places: Places;
  /** Connections that it was sent on and that have not acknowledged it. */
  direct: number;
  /** Its last word, once that is known. */
  ending: Ending | undefined;
  isClosing: boolean;
}

export interface Ending {
  readonly state: Extract<ReplyState, "done" | "failed" | "expired" | "refused">;
  readonly detail: string;
}

export type DownlinkEvent =
  /** `fault`: why it is refused. */
  | {
      readonly kind: "fetched";
      readonly command: Command;
      readonly fault: string | undefined;
      readonly token: number;
    }
  | {
      readonly kind: "accepted";
      readonly id: string;
      readonly token: number;
      readonly isKept: boolean;
    }
  /** Somebody subscribed. */
  | { readonly kind: "wanted"; readonly matches: (topic: string) => boolean }
  /** Its places are being written: who closes it now takes it out of them too. */
  | { readonly kind: "offering"; readonly id: string; readonly places: Places }
  /** Neither places nor connections: nobody wants it. */
  | {
      readonly kind: "offered";
      readonly id: string;
      readonly places: Places;
      readonly direct: number;
    }
  /** It was not written into queues, or is out of them again. */
  | { readonly kind: "unoffered"; readonly id: string }
  /** A way to the device ended without a PUBACK: that of a queue where `client` is named. */
  | { readonly kind: "lost"; readonly id: string; readonly client?: string }
  | { readonly kind: "acknowledged"; readonly id: string; readonly by: string }
  /** A reply's publish is being written with its closing. */
  | { readonly kind: "answered"; readonly id: string; readonly ending: Ending }
  | {
      readonly kind: "closed";
      readonly id: string;
      readonly isKept: boolean;
      readonly token?: number;
    }
  | { readonly kind: "time" };

export type DownlinkAction =
  | { readonly kind: "acknowledge"; readonly token: number }
  /** Write it down, and that it was accepted. */
  | { readonly kind: "accept"; readonly open: OpenCommand; readonly token: number }
  | { readonly kind: "offer"; readonly open: OpenCommand }
  /** Note that it was delivered; who waits for a reply is told. */
  | { readonly kind: "note"; readonly open: OpenCommand; readonly by: string }
  /** Write its ending; take it out of queues. */
  | {
      readonly kind: "close";
      readonly open: OpenCommand;
      readonly ending: Ending;
      readonly token?: number;
    }
  | { readonly kind: "forget"; readonly ids: readonly string[] };

export class Downlink {
  readonly #bounds: DownlinkBounds;
  readonly #open = new Map<string, OpenCommand>();
  /** When each closed one may be forgotten, in the order of closing. */
  readonly #closed = new Map<string, number>();
  readonly #inflight = new Map<string, number>();
  #bytes = 0;
  #order = 0;
  #isPresentKnown = true;

  constructor(bounds: DownlinkBounds) {
    this.#bounds = bounds;
  }

  /** As they were found on the disk. */
  load(open: readonly OpenCommand[], closed: ReadonlyMap<string, number>): void {
    for (const each of [...open].sort((one, other) => one.order - other.order)) {
      this.#add(each);
      if (each.phase === "offered") this.#count(each, 1);
      this.#order = Math.max(this.#order, each.order);
    }
    for (const [id, until] of closed) this.#closed.set(id, until);
  }

  get(id: string): OpenCommand | undefined {
    return this.#open.get(id);
  }

  /** Until when it is remembered; undefined where it is not closed here. */
  closedUntil(id: string): number | undefined {
    return this.#closed.get(id);
  }

  *open(): Iterable<OpenCommand> {
    yield* this.#open.values();
  }

  /** W7. */
  get room(): number {
    return this.#bytes >= this.#bounds.openBytesMax ? 0 : this.#bounds.openMax - this.#open.size;
  }

  get figures(): DownlinkFigures {
    const phases = [...this.#open.values()].map(({ phase }) => phase);
    const count = (wanted: Phase) => phases.filter((phase) => phase === wanted).length;
    return {
      open: this.#open.size,
      openBytes: this.#bytes,
      unwanted: count("unwanted"),
      delivered: count("delivered"),
      remembered: this.#closed.size,
    };
  }

  step(event: DownlinkEvent, now: Now): readonly DownlinkAction[] {
    switch (event.kind) {
      case "fetched":
        return this.#fetched(event, now);
      case "accepted":
        return this.#accepted(event, now);
      case "wanted":
        return this.#offers(now, ({ phase, command }) => {
          return phase === "unwanted" && event.matches(commandTopic(command));
        });
      case "offering":
        return this.#offering(event);
      case "offered":
        return this.#offered(event);
      case "unoffered":
        this.#takeBack(event.id);
        return [];
      case "lost":
        return this.#lost(event, now);
      case "acknowledged":
        return this.#acknowledged(event, now);
      case "answered":
        return this.#answered(event);
      case "closed":
        return this.#ended(event, now);
      case "time":
        return this.#time(now);
    }
  }

  #fetched(
    { command, fault, token }: Extract<DownlinkEvent, { kind: "fetched" }>,
    now: Now,
  ): readonly DownlinkAction[] {
    const { id } = command;
    // W3; one whose first write is under way comes again if that fails.
    const known = this.#open.get(id);
    if (known?.phase === "accepting") return [];
    if (known !== undefined || this.#closed.has(id)) return [{ kind: "acknowledge", token }];
    const lifetimeMs = Math.max(0, command.expiresAt - command.issuedAt);
    const open: OpenCommand = {
      command,
      order: ++this.#order,
      deadline: { boot: now.boot, ms: now.bootMs + lifetimeMs },
      phase: "accepting",
      places: {},
      direct: 0,
      ending: undefined,
      isClosing: false,
    };
    this.#add(open);
    const ending = fault === undefined ? this.#overdue(open, now) : refusal(fault);
    if (ending === undefined) return [{ kind: "accept", open, token }];
    open.ending = ending;
    open.isClosing = true;
    return [{ kind: "close", open, ending, token }];
  }

  #accepted(
    { id, token, isKept }: Extract<DownlinkEvent, { kind: "accepted" }>,
    now: Now,
  ): readonly DownlinkAction[] {
    const open = this.#open.get(id);
    if (open?.phase !== "accepting") return [];
    if (!isKept) {
      this.#remove(open);
      return [];
    }
    open.phase = "ready";
    return [{ kind: "acknowledge", token }, ...this.#offers(now)];
  }

  #offering({
    id,
    places,
  }: Extract<DownlinkEvent, { kind: "offering" }>): readonly DownlinkAction[] {
    const open = this.#open.get(id);
    if (open?.phase === "offered") open.places = places;
    return [];
  }

  #offered({
    id,
    places,
    direct,
  }: Extract<DownlinkEvent, { kind: "offered" }>): readonly DownlinkAction[] {
    const open = this.#open.get(id);
    if (open?.phase !== "offered") return [];
    open.places = places;
    open.direct = direct;
    if (direct > 0 || Object.keys(places).length > 0) return [];
    this.#count(open, -1);
    open.phase = "unwanted";
    return [];
  }

  #lost(
    { id, client }: Extract<DownlinkEvent, { kind: "lost" }>,
    now: Now,
  ): readonly DownlinkAction[] {
    const open = this.#open.get(id);
    if (open?.phase !== "offered") return [];
    if (client === undefined) open.direct = Math.max(0, open.direct - 1);
    else {
      const { [client]: _gone, ...others } = open.places;
      open.places = others;
    }
    if (open.direct > 0 || Object.keys(open.places).length > 0) return [];
    this.#takeBack(id);
    return this.#offers(now);
  }

  /** It is ready to be offered anew. */
  #takeBack(id: string): void {
    const open = this.#open.get(id);
    if (open?.phase !== "offered") return;
    this.#count(open, -1);
    open.phase = "ready";
    open.places = {};
    open.direct = 0;
  }

  /** W5. */
  #acknowledged(
    { id, by }: Extract<DownlinkEvent, { kind: "acknowledged" }>,
    now: Now,
  ): readonly DownlinkAction[] {
    const open = this.#open.get(id);
    if (open === undefined || open.phase === "delivered" || open.phase === "accepting") return [];
    if (open.phase === "offered") this.#count(open, -1);
    open.phase = "delivered";
    const next = this.#offers(now);
    // What is noted now would stand over its ending.
    if (open.isClosing) return next;
    const note: DownlinkAction = { kind: "note", open, by };
    if (open.command.reply) return [note, ...next];
    return [note, this.#close(open, { state: "done", detail: `acknowledged by ${by}` }), ...next];
  }

  /** Its publish is being written; what fails comes again with the device. */
  #answered({
    id,
    ending,
  }: Extract<DownlinkEvent, { kind: "answered" }>): readonly DownlinkAction[] {
    const open = this.#open.get(id);
    if (open === undefined || open.phase === "accepting" || open.isClosing) return [];
    open.isClosing = true;
    return [{ kind: "close", open, ending }];
  }

  #close(open: OpenCommand, ending: Ending): DownlinkAction {
    open.ending = ending;
    open.isClosing = true;
    return { kind: "close", open, ending };
  }

  /** W2. */
  #ended(
    { id, isKept, token }: Extract<DownlinkEvent, { kind: "closed" }>,
    now: Now,
  ): readonly DownlinkAction[] {
    const open = this.#open.get(id);
    if (open === undefined) return [];
    open.isClosing = false;
    if (!isKept) {
      // W1: the cloud gives it out again.
      if (open.phase === "accepting") this.#remove(open);
      return [];
    }
    if (open.phase === "offered") this.#count(open, -1);
    this.#remove(open);
    this.#closed.set(id, open.command.expiresAt + rememberedMs);
    const acknowledge = token === undefined ? [] : [{ kind: "acknowledge", token } as const];
    const [oldest = id] = this.#closed.keys();
    const forget = this.#closed.size > this.#bounds.rememberedMax ? this.#forget([oldest]) : [];
    return [...acknowledge, ...forget, ...this.#offers(now)];
  }

  #time(now: Now): readonly DownlinkAction[] {
    const actions: DownlinkAction[] = [];
    for (const open of this.#open.values()) {
      if (open.isClosing || open.phase === "accepting") continue;
      const ending = open.ending ?? this.#overdue(open, now);
      if (ending !== undefined) actions.push(this.#close(open, ending));
    }
    const isKnown = now.presentMs !== undefined;
    const isNews = isKnown && !this.#isPresentKnown;
    this.#isPresentKnown = isKnown;
    const offers = this.#offers(now, ({ phase }) => isNews && phase === "unwanted");
    return [...actions, ...offers, ...this.#forget(this.#forgettable(now))];
  }

  /** W6. */
  #overdue(open: OpenCommand, { boot, bootMs, presentMs }: Now): Ending | undefined {
    const { command, deadline, phase } = open;
    const isOver =
      presentMs === undefined
        ? deadline.boot === boot && bootMs >= deadline.ms
        : presentMs >= command.expiresAt;
    if (!isOver) return undefined;
    const where =
      phase === "delivered"
        ? "it was delivered, and no reply came"
        : phase === "offered"
          ? "it was on its way to the device, which did not acknowledge it"
          : phase === "accepting"
            ? "it came too late"
            : "no client took commands for the device";
    return { state: "expired", detail: where };
  }

  /** W4: those that are ready, and those of others that `also` names. */
  #offers(now: Now, also: (open: OpenCommand) => boolean = none): readonly DownlinkAction[] {
    const actions: DownlinkAction[] = [];
    for (const open of this.#open.values()) {
      const isWaiting = open.phase === "ready" || (open.phase === "unwanted" && also(open));
      if (!isWaiting || open.isClosing || open.ending !== undefined) continue;
      if (now.presentMs === undefined && open.deadline.boot !== now.boot) continue;
      const { inflightPerDeviceMax } = this.#bounds;
      if ((this.#inflight.get(open.command.device) ?? 0) >= inflightPerDeviceMax) {
        open.phase = "ready";
        continue;
      }
      this.#count(open, 1);
      open.phase = "offered";
      actions.push({ kind: "offer", open });
    }
    return actions;
  }

  /** W3. */
  #forgettable({ presentMs }: Now): readonly string[] {
    if (presentMs === undefined) return [];
    return [...this.#closed].flatMap(([id, until]) => (until < presentMs ? [id] : []));
  }

  #forget(ids: readonly string[]): readonly DownlinkAction[] {
    for (const id of ids) this.#closed.delete(id);
    return ids.length === 0 ? [] : [{ kind: "forget", ids }];
  }

  #add(open: OpenCommand): void {
    this.#open.set(open.command.id, open);
    this.#bytes += bytesOf(open);
  }

  #remove(open: OpenCommand): void {
    this.#open.delete(open.command.id);
    this.#bytes -= bytesOf(open);
  }

  #count({ command: { device } }: OpenCommand, by: 1 | -1): void {
    const count = (this.#inflight.get(device) ?? 0) + by;
    if (count > 0) this.#inflight.set(device, count);
    else this.#inflight.delete(device);
  }
}

function none(): boolean {
  return false;
}

export interface DownlinkFigures {
  readonly open: number;
  readonly openBytes: number;
  /** Of these, those that nobody takes. */
  readonly unwanted: number;
  /** And those that wait for a reply. */
  readonly delivered: number;
  readonly remembered: number;
}

const openOverheadBytes = 512;

function bytesOf({ command }: OpenCommand): number {
  return command.payload.length + openOverheadBytes;
}

function refusal(fault: string): Ending {
  return { state: "refused", detail: fault };
}
