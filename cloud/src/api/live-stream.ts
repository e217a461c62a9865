/**
 * What the clients of /api/stream are sent, as Server-Sent Events. Pure: the shell asks once per
 * tick for the frames that all clients of a filter get, and on each connect for those that the new one
 * lacks.
 *
 *   S1  An id names the version up to which its client has everything. A client that comes back
 *       with it gets what changed since. Versions are of one start of the process and one generation of
 *       the view, so an id also names the message of the journal up to which its client has all
 *       series, and its mark: by these it resumes at another start, where the journal still holds that
 *       message. Else it is told `hello` with `resumed: false`, and forgets what it has.
 *   S2  Whoever comes gets what it lacks up to now, of the `rowsAtConnectMax` series updated last;
 *       a row may then come a second time, never less.
 *   S3  A tick holds at most `rowsPerTickMax` series; the rest follow, oldest change first.
 */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { FleetView } from "../views/fleet-view.ts";
import type { SeriesView } from "../views/series-table.ts";

export const tickMs = 250;
const ticksPerCounters = 4;
const ticksPerHeartbeat = 60;
export const rowsPerTickMax = 500;
/** What a new client is shown of a larger fleet: the series that were updated last. */
export const rowsAtConnectMax = 2_000;
const rowsPerFrameMax = 250;
export const gatewaysMax = 200;
const openAlertsMax = 1_000;

/** How long a client waits before it comes back. */
const reconnectMs = 2_000;
export const heartbeatFrame = ": still here\n\n";

export interface LiveFacts {
  readonly now: number;
  readonly version: string;
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** What people say of alerts; shown to all as one frame whenever it changes. */
export interface Spoken {
  version(): number;
  value(): unknown;
}

/** Where the view stands in the journal, and how to know that message again. */
export interface JournalPlace {
  readonly sequence: number;
  readonly mark: string;
}

export const streamKinds = ["latest", "alerts", "gateways", "derived", "counters"] as const;
export type StreamKind = (typeof streamKinds)[number];

/** What some clients want to see; all of it where nothing is said. */
export interface StreamFilter {
  readonly kinds: ReadonlySet<StreamKind>;
  /** The client may see all there is, so that what is told of all together is told it too. */
  readonly isWhole: boolean;
  wantsGateway(gateway: string): boolean;
  wantsDevice(gateway: string, device: string): boolean;
}

export const noFilter: StreamFilter = {
  kinds: new Set(streamKinds),
  isWhole: true,
  wantsGateway: () => true,
  wantsDevice: () => true,
};

export interface StreamSources {
  readonly view: FleetView;
  readonly facts: () => LiveFacts;
  /** Names this start of the process. */
  readonly instance: string;
  readonly spoken?: Spoken | undefined;
  /** The last heard of first. */
  readonly gateways: (filter: StreamFilter, limit: number) => readonly unknown[];
  /** Undefined before the first message. */
  readonly place: () => JournalPlace | undefined;
}

/** A series without its curve: the client appends the value to the one it has. */
export type SeriesUpdate = Omit<SeriesView, "recent">;

/** What an id says, as far as it is one. */
export interface StreamId {
  readonly instance: string;
  readonly generation: number;
  readonly version: number;
  readonly place: JournalPlace | undefined;
}

export function parseStreamId(text: string): StreamId | undefined {
  const found = /^([a-z0-9]+)-(\d{1,9})-(\d{1,15})(?:-(\d{1,15})-([0-9a-f]{1,64}))?$/.exec(text);
  if (found === null) return undefined;
  const [, instance = "", generation, version, sequence, mark] = found;
  const place = mark === undefined ? undefined : { sequence: Number(sequence), mark };
  return { instance, generation: Number(generation), version: Number(version), place };
}

export class LiveStream {
  readonly #sources: StreamSources;
  readonly #filter: StreamFilter;
  readonly #view: FleetView;
  #spokenVersion = -1;
  #generation: number;
  #seriesVersion: number;
  #alertVersion: number;
  #derivedVersion: number;
  /** Up to it all series were sent. */
  #place: JournalPlace | undefined;
  #ticks = 0;
  #gateways = "";

  constructor(sources: StreamSources, filter: StreamFilter = noFilter) {
    this.#sources = sources;
    this.#filter = filter;
    this.#view = sources.view;
    this.#generation = this.#view.generation;
    this.#seriesVersion = this.#view.version;
    this.#alertVersion = this.#view.version;
    this.#derivedVersion = this.#view.version;
  }

  /** The view was emptied: every client must come back and forget what it has. */
  get isOver(): boolean {
    return this.#generation !== this.#view.generation;
  }

  /** Begins anew with what the view holds now, before the first client of a new span is served. */
  restart(): void {
    this.#generation = this.#view.generation;
    this.#seriesVersion = this.#view.version;
    this.#alertVersion = this.#view.version;
    this.#derivedVersion = this.#view.version;
    this.#gateways = "";
    this.#place = this.#sources.place();
  }

  /** S1, S2; `isKnown` where the journal still holds the message that the id names. */
  connect(id: StreamId | undefined, isKnown = false, more: object = {}): string {
    const since = this.#versionIn(id);
    const journalSince =
      isKnown && id?.place !== undefined ? this.#view.versionAt(id.place.sequence) : undefined;
    const hasSeries = since ?? journalSince;
    const hello = { resumed: hasSeries !== undefined, ...this.#sources.facts(), ...more };
    return [
      `retry: ${reconnectMs}\n`,
      frame("hello", hello),
      ...this.#countersFrames(),
      ...this.#of("gateways", () => [this.#gatewaysFrame()]),
      ...this.#of("alerts", () => this.#alertsFor(since)),
      ...this.#spokenFrames(),
      ...this.#of("derived", () => this.#derivedFrames(this.#view.derivedSince(since ?? 0))),
      ...this.#seriesFor(hasSeries ?? 0),
    ].join("");
  }

  #of(kind: StreamKind, frames: () => readonly string[]): readonly string[] {
    return this.#filter.kinds.has(kind) ? frames() : [];
  }

  /** Empty where nothing changed. */
  tick(): string {
    this.#ticks++;
    const frames = [...this.#newAlerts(), ...this.#newDerived(), ...this.#newSeries()];
    const { spoken } = this.#sources;
    if (spoken !== undefined && spoken.version() !== this.#spokenVersion) {
      this.#spokenVersion = spoken.version();
      frames.push(...this.#spokenFrames());
    }
    if (this.#ticks % ticksPerCounters === 0) {
      frames.push(...this.#countersFrames(), ...this.#changedGateways());
    }
    if (this.#ticks % ticksPerHeartbeat === 0) frames.push(heartbeatFrame);
    return frames.join("");
  }

  #spokenFrames(): readonly string[] {
    const { spoken } = this.#sources;
    if (spoken === undefined || !this.#filter.isWhole) return [];
    return this.#of("alerts", () => [frame("silences", spoken.value())]);
  }

  #newAlerts(): readonly string[] {
    const alerts = this.#view.transitionsSince(this.#alertVersion);
    this.#alertVersion = alerts.at(-1)?.version ?? this.#alertVersion;
    // Not its own version: series before it may still have to follow (S1).
    const wanted = alerts.filter(({ transition }) => this.#wants(transition));
    return this.#of("alerts", () =>
      wanted.map(({ transition }) => frame("alert", transition, this.#id())),
    );
  }

  #newDerived(): readonly string[] {
    const derived = this.#view.derivedSince(this.#derivedVersion);
    this.#derivedVersion = derived.at(-1)?.version ?? this.#derivedVersion;
    return this.#of("derived", () => this.#derivedFrames(derived, this.#id()));
  }

  /** S3. */
  #newSeries(): readonly string[] {
    const rows = this.#view.seriesSince(this.#seriesVersion, rowsPerTickMax);
    if (rows.length < rowsPerTickMax) this.#place = this.#sources.place();
    const last = rows.at(-1);
    if (last === undefined) return [];
    this.#seriesVersion = last.version;
    const updates = rows
      .filter((row) => this.#wants(row))
      .map(({ recent: _recent, ...update }): SeriesUpdate => update);
    if (updates.length === 0) return [];
    return this.#of("latest", () => [frame("latest", updates, this.#id())]);
  }

  #alertsFor(since: number | undefined): readonly string[] {
    const isWanted = (transition: AlertTransition) => this.#wants(transition);
    if (since !== undefined) {
      const alerts = this.#view.transitionsSince(since).map(({ transition }) => transition);
      return alerts.filter(isWanted).map((transition) => frame("alert", transition));
    }
    const { open, recent } = this.#view.alerts();
    const shown = open.filter(isWanted).slice(-openAlertsMax);
    return [frame("alerts", { open: shown, recent: recent.filter(isWanted) })];
  }

  #seriesFor(since: number): readonly string[] {
    if (!this.#filter.kinds.has("latest")) return [idFrame(this.#id())];
    const all =
      this.#filter === noFilter
        ? this.#view.latestSeries(rowsAtConnectMax)
        : this.#view.selectSeries((row) => this.#wants(row)).slice(-rowsAtConnectMax);
    const rows = all.filter(({ version }) => version > since);
    const frames: string[] = [];
    for (let at = 0; at < rows.length; at += rowsPerFrameMax) {
      frames.push(frame("latest", rows.slice(at, at + rowsPerFrameMax)));
    }
    return [...frames, idFrame(this.#id())];
  }

  #derivedFrames(derived: ReturnType<FleetView["derivedSince"]>, id?: string): readonly string[] {
    const events = derived.map(({ event }) => event).filter((event) => this.#wants(event));
    return events.length === 0 ? [] : [frame("derived", events, id)];
  }

  #wants({ gateway, device }: { readonly gateway: string; readonly device: string }): boolean {
    return this.#filter.wantsGateway(gateway) && this.#filter.wantsDevice(gateway, device);
  }

  #countersFrames(): readonly string[] {
    const { kinds, isWhole } = this.#filter;
    if (!kinds.has("counters") || !isWhole) return [];
    return [frame("counters", { ...this.#sources.facts(), counters: this.#view.counters() })];
  }

  #gatewaysFrame(): string {
    return frame("gateways", this.#sources.gateways(this.#filter, gatewaysMax));
  }

  #changedGateways(): readonly string[] {
    return this.#of("gateways", () => {
      const changed = this.#gatewaysFrame();
      if (changed === this.#gateways) return [];
      this.#gateways = changed;
      return [changed];
    });
  }

  #id(): string {
    const { instance } = this.#sources;
    const own = `${instance}-${this.#generation}-${this.#seriesVersion}`;
    return this.#place === undefined ? own : `${own}-${this.#place.sequence}-${this.#place.mark}`;
  }

  #versionIn(id: StreamId | undefined): number | undefined {
    const isOurs = id?.instance === this.#sources.instance;
    return isOurs && id?.generation === this.#view.generation ? id.version : undefined;
  }
}

function frame(event: string, data: unknown, id?: string): string {
  const head = id === undefined ? "" : `id: ${id}\n`;
  // JSON holds no line breaks of its own, so one data line is enough.
  return `${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Sets the client's last event id without an event of its own (HTML §9.2.6). */
function idFrame(id: string): string {
  return `id: ${id}\n\n`;
}
