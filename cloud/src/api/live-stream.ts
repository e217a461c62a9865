/**
 * What the clients of /api/stream are sent, as Server-Sent Events. Pure: the shell asks once per
 * tick for the frames that all clients get, and on each connect for those that the new one lacks.
 *
 *   S1  An id names the version up to which its client has everything. A client that comes back
 *       with it gets what changed since; one whose id is of another start or another generation of
 *       the view is told `hello` with `resumed: false`, and forgets what it has.
 *   S2  Whoever comes gets what it lacks up to now, of the `rowsAtConnectMax` series updated last;
 *       a row may then come a second time, never less.
 *   S3  A tick holds at most `rowsPerTickMax` series; the rest follow, oldest change first.
 */
import type { FleetView, GatewayView } from "../views/fleet-view.ts";
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

/** A series without its curve: the client appends the value to the one it has. */
export type SeriesUpdate = Omit<SeriesView, "recent">;

export class LiveStream {
  readonly #view: FleetView;
  readonly #facts: () => LiveFacts;
  /** Names this start of the process. */
  readonly #instance: string;
  readonly #spoken: Spoken | undefined;
  #spokenVersion = -1;
  #generation: number;
  #seriesVersion: number;
  #alertVersion: number;
  #derivedVersion: number;
  #ticks = 0;
  #gateways = "";

  constructor(view: FleetView, facts: () => LiveFacts, instance: string, spoken?: Spoken) {
    this.#spoken = spoken;
    this.#view = view;
    this.#facts = facts;
    this.#instance = instance;
    this.#generation = view.generation;
    this.#seriesVersion = view.version;
    this.#alertVersion = view.version;
    this.#derivedVersion = view.version;
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
  }

  /** S1, S2. */
  connect(lastEventId: string | undefined): string {
    const since = this.#versionIn(lastEventId);
    const hello = { resumed: since !== undefined, ...this.#facts() };
    return [
      `retry: ${reconnectMs}\n`,
      frame("hello", hello),
      this.#countersFrame(),
      frame("gateways", this.#gatewayRows()),
      ...this.#alertsFor(since),
      ...this.#spokenFrames(),
      ...derivedFrames(this.#view.derivedSince(since ?? 0)),
      ...this.#seriesFor(since ?? 0),
    ].join("");
  }

  /** Empty where nothing changed. */
  tick(): string {
    this.#ticks++;
    const frames = [...this.#newAlerts(), ...this.#newDerived(), ...this.#newSeries()];
    if (this.#spoken !== undefined && this.#spoken.version() !== this.#spokenVersion) {
      this.#spokenVersion = this.#spoken.version();
      frames.push(...this.#spokenFrames());
    }
    if (this.#ticks % ticksPerCounters === 0) {
      frames.push(this.#countersFrame(), ...this.#changedGateways());
    }
    if (this.#ticks % ticksPerHeartbeat === 0) frames.push(heartbeatFrame);
    return frames.join("");
  }

  #spokenFrames(): string[] {
    return this.#spoken === undefined ? [] : [frame("silences", this.#spoken.value())];
  }

  #newAlerts(): string[] {
    const alerts = this.#view.transitionsSince(this.#alertVersion);
    this.#alertVersion = alerts.at(-1)?.version ?? this.#alertVersion;
    // Not its own version: series before it may still have to follow (S1).
    return alerts.map(({ transition }) => frame("alert", transition, this.#id()));
  }

  #newDerived(): string[] {
    const derived = this.#view.derivedSince(this.#derivedVersion);
    this.#derivedVersion = derived.at(-1)?.version ?? this.#derivedVersion;
    return derivedFrames(derived, this.#id());
  }

  /** S3. */
  #newSeries(): string[] {
    const rows = this.#view.seriesSince(this.#seriesVersion, rowsPerTickMax);
    const last = rows.at(-1);
    if (last === undefined) return [];
    this.#seriesVersion = last.version;
    const updates = rows.map(({ recent: _recent, ...update }): SeriesUpdate => update);
    return [frame("latest", updates, this.#id())];
  }

  #alertsFor(since: number | undefined): string[] {
    if (since !== undefined) {
      return this.#view.transitionsSince(since).map(({ transition }) => frame("alert", transition));
    }
    const { open, recent } = this.#view.alerts();
    return [frame("alerts", { open: open.slice(-openAlertsMax), recent })];
  }

  #seriesFor(since: number): string[] {
    const rows = this.#view.latestSeries(rowsAtConnectMax).filter(({ version }) => version > since);
    const frames: string[] = [];
    for (let at = 0; at < rows.length; at += rowsPerFrameMax) {
      frames.push(frame("latest", rows.slice(at, at + rowsPerFrameMax)));
    }
    return [...frames, idFrame(this.#id())];
  }

  #countersFrame(): string {
    return frame("counters", { ...this.#facts(), counters: this.#view.counters() });
  }

  #changedGateways(): string[] {
    const changed = frame("gateways", this.#gatewayRows());
    if (changed === this.#gateways) return [];
    this.#gateways = changed;
    return [changed];
  }

  #gatewayRows(): readonly GatewayView[] {
    return this.#view.gateways(gatewaysMax);
  }

  #id(): string {
    return `${this.#instance}-${this.#generation}-${this.#seriesVersion}`;
  }

  #versionIn(lastEventId: string | undefined): number | undefined {
    const [instance, generation, version] = (lastEventId ?? "").split("-");
    if (instance !== this.#instance || generation !== `${this.#view.generation}`) return undefined;
    return version !== undefined && /^[0-9]{1,15}$/.test(version) ? Number(version) : undefined;
  }
}

function derivedFrames(derived: ReturnType<FleetView["derivedSince"]>, id?: string): string[] {
  if (derived.length === 0) return [];
  const events = derived.map(({ event }) => event);
  return [frame("derived", events, id)];
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
