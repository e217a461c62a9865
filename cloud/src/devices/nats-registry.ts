/**
 * Keeps the registry: folds the journal behind what was kept last, and keeps it again each minute.
 *
 *   X1  The journal's registered reader `registry` moves on only after all that changed is kept, each
 *       gateway with its ledger: after any crash what is read again is known, and nothing is missed.
 *   X2  One process keeps, the one that started last; the others follow, and one of them takes over
 *       where the keeper's place does not move any more.
 *   X3  Whatever interrupts, the registry is loaded anew; what was there is shown until then.
 *   X4  What was retired or forgotten and speaks again is in service again: the keeper says so in the
 *       bucket, by which every process knows it.
 */
import type { AlertSubjects } from "@causeway/shared/alert/deployment-alert.ts";
import { tellDeployment } from "@causeway/shared/alert/deployment-alert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import type { DeviceBook, DeviceFacts } from "@causeway/shared/devices/device-facts.ts";
import { factsRequest } from "@causeway/shared/devices/device-facts.ts";
import { codeOf, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { engineJournal } from "../engine/nats-engine-journal.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { readJournal } from "../ingest/nats-journal.ts";
import { checkAnswering } from "../notify/nats-answering.ts";
import { NatsReaderStore } from "../retention/nats-reader-store.ts";
import { RegisteredReader } from "../retention/registered-reader.ts";
import type { NatsDeviceFacts } from "./nats-device-facts.ts";
import type { LoadedRegistry } from "./nats-registry-load.ts";
import { loadRegistry, registryReader, registrySubjects } from "./nats-registry-load.ts";
import type { GatewayPieces } from "./nats-registry-store.ts";
import { NatsRegistryStore, RegistryTaken } from "./nats-registry-store.ts";
import { defaultRegistryBounds, Registry } from "./registry.ts";
import { encodeGateway } from "./registry-codec.ts";
import type { TagSource } from "./service-rules.ts";

export interface RegistryParts {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** What people say of devices, kept up to date by its own feed. */
  readonly book: DeviceBook;
  readonly facts: NatsDeviceFacts;
  readonly alerts: AlertSubjects;
  readonly bounds?: typeof defaultRegistryBounds;
  readonly keepEveryMs?: number;
}

export interface RegistryStatus {
  /** The last journal message that was worked off. */
  readonly sequence: number;
  readonly isKeeper: boolean;
  /** When it was kept last, in ms of the machine's boot; undefined before that. */
  readonly keptAtBootMs: number | undefined;
  readonly sessions: number;
  /** Why nothing is read just now; undefined while it is. */
  readonly waitingFor: string | undefined;
}

const keepEveryMs = 60_000;
/** While much comes the journal must not wait for it: it is kept as often as engines take snapshots. */
const keepBytes = 16 * 1_024 * 1_024;
const keepBusyMs = 10_000;
/** X2: a keeper that has not moved on for so many of its rounds is gone. */
const roundsMissed = 3;
const reopenSchedule = { firstMs: 100, maxMs: 5_000, factor: 2 };
const workMsMax = 20;
const tagsEveryMs = 15_000;
/** A commit holds about so much. */
const batchCharactersMax = 2 * 1_024 * 1_024;
const batchGatewaysMax = 200;
/** Who speaks for the registry in the bucket. */
const ownName = "causeway";

export class NatsRegistry {
  readonly #parts: RegistryParts;
  readonly #store: NatsRegistryStore;
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #current: Registry;
  #tags: TagSource | undefined;
  #tagsOf: Registry | undefined;
  #tagsRenewedAt = Number.NEGATIVE_INFINITY;
  #mayKeep = true;
  #session: Session | undefined;
  #sessions = 0;
  #keptAt: number | undefined;
  #sequence = 0;
  #waitingFor: string | undefined = "its first message";

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    const { connection, jetstream, manager, random } = parts;
    const batches = new NatsEngineStore(connection, jetstream, manager, random);
    this.#store = new NatsRegistryStore(jetstream, manager, batches);
    this.#current = new Registry(parts.bounds ?? defaultRegistryBounds);
  }

  get registry(): Registry {
    return this.#current;
  }

  status(): RegistryStatus {
    return {
      sequence: this.#sequence,
      isKeeper: this.#session?.reader !== undefined,
      keptAtBootMs: this.#keptAt,
      sessions: this.#sessions,
      waitingFor: this.#waitingFor,
    };
  }

  /** Of devices, renewed once in a while; undefined until all that the journal has was read. */
  get tags(): TagSource | undefined {
    return this.#tags;
  }

  /** Waits for nothing: the streams may be away. */
  start(): void {
    this.#running = this.#run(this.#stopping.signal);
  }

  /** Keeps it once more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { connection, clock, random, log } = this.#parts;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await checkAnswering(connection, clock, signal);
        const session = await this.#open(this.#mayKeep);
        this.#session = session;
        this.#sessions++;
        this.#waitingFor = undefined;
        await this.#follow(session, signal, () => {
          attempt = 1;
        });
        if (signal.aborted) await this.#keep(session);
      } catch (failure) {
        this.#waitingFor = reasonOf(failure);
        if (codeOf(failure) === "READER_TAKEN") this.#mayKeep = false;
        log.debug({ reason: this.#waitingFor }, "the registry is loaded anew");
      }
      this.#session = undefined;
      await sleep(clock, retryDelayMs(reopenSchedule, attempt, random), signal);
    }
  }

  /** X1. */
  async #open(mayKeep: boolean): Promise<Session> {
    const { connection, jetstream, manager, clock, random } = this.#parts;
    const readers = new NatsReaderStore(jetstream, manager);
    const { messageAt } = engineJournal(connection, jetstream, manager);
    const name = { name: registryReader, kind: "view" };
    const reader = mayKeep
      ? await RegisteredReader.open({ store: readers, messageAt, clock, random }, name)
      : undefined;
    return { reader, readers, ...(await loadRegistry(this.#parts, this.#current.bounds)) };
  }

  async #follow(session: Session, signal: AbortSignal, progress: () => void): Promise<void> {
    const { connection, jetstream, clock } = this.#parts;
    const { registry, journal, from } = session;
    const every = this.#parts.keepEveryMs ?? keepEveryMs;
    let keptAt = clock.bootMs();
    let bytes = 0;
    let begunAt = clock.bootMs();
    this.#show(session, from - 1);
    const subjects = registrySubjects;
    for await (const message of readJournal(connection, jetstream, {
      ...{ stream: telemetryStream, subjects, from, signal, turn: clock },
    })) {
      progress();
      for (const folded of journal.fold(message)) registry.take(folded, message.storedAt);
      session.newest = message;
      this.#show(session, message.sequence);
      if (message.subject === clockSubject && session.reader !== undefined)
        await this.#settle(registry);
      bytes += message.data.length;
      const waitedMs = clock.bootMs() - keptAt;
      if (waitedMs >= every || (waitedMs >= keepBusyMs && bytes >= keepBytes)) {
        if (!(await this.#keep(session)) && (await this.#isKeeperGone(session))) return;
        [keptAt, bytes] = [clock.bootMs(), 0];
      }
      begunAt = await this.#leaveTime(begunAt);
    }
  }

  /** For everything else that the process does; when the next stretch of work begins. */
  async #leaveTime(begunAt: number): Promise<number> {
    const { clock } = this.#parts;
    if (clock.bootMs() - begunAt < workMsMax) return begunAt;
    await new Promise<void>((resolve) => clock.soon(resolve));
    return clock.bootMs();
  }

  /** X3. */
  #show({ registry, last }: Session, sequence: number): void {
    this.#sequence = sequence;
    if (sequence >= last || this.#sessions <= 1) this.#current = registry;
    if (sequence >= last) this.#renewTags(registry);
  }

  /** Every change of theirs makes a set of rules, which is kept for long. */
  #renewTags(registry: Registry): void {
    const now = this.#parts.clock.bootMs();
    const { tagsVersion } = registry;
    const isSame = this.#tagsOf === registry && this.#tags?.tagsVersion === tagsVersion;
    if (isSame || now < this.#tagsRenewedAt + tagsEveryMs) return;
    const tagged = registry.tagged();
    this.#tags = { tagsVersion, tagged: () => tagged };
    this.#tagsOf = registry;
    this.#tagsRenewedAt = now;
  }

  /** X1. False where another process keeps it. */
  async #keep(session: Session): Promise<boolean> {
    const { reader, journal, newest } = session;
    if (reader === undefined) return false;
    if (newest === undefined || journal.waits) return true;
    try {
      await this.#save(session);
      const nonce = newest.header("Cw-Nonce");
      const { sequence, subject } = newest;
      await reader.advance({ sequence, identity: { subject, nonce } });
    } catch (failure) {
      const isTaken = failure instanceof RegistryTaken || codeOf(failure) === "READER_TAKEN";
      const { log } = this.#parts;
      if (isTaken) log.info({ reason: reasonOf(failure) }, "another process keeps the registry");
      else log.warn({ reason: reasonOf(failure) }, "the registry is not kept; the journal waits");
      throw failure;
    }
    this.#keptAt = this.#parts.clock.bootMs();
    await this.#tell(session.registry);
    return true;
  }

  async #save({ registry, journal, revisions }: Session): Promise<void> {
    let batch: GatewayPieces[] = [];
    let characters = 0;
    const save = async () => {
      if (batch.length === 0) return;
      const saved = await this.#store.save(batch);
      for (const [index, { gateway }] of batch.entries()) revisions.set(gateway, saved[index] ?? 0);
      [batch, characters] = [[], 0];
    };
    let begunAt = this.#parts.clock.bootMs();
    for (const gateway of registry.changed) {
      begunAt = await this.#leaveTime(begunAt);
      const row = registry.gateways.get(gateway);
      if (row === undefined) {
        await this.#store.remove(gateway);
        revisions.delete(gateway);
        continue;
      }
      const pieces = encodeGateway({ row, mark: journal.markOf(gateway) });
      batch.push({ gateway, pieces, revision: revisions.get(gateway) ?? 0 });
      for (const { length } of pieces) characters += length;
      if (characters >= batchCharactersMax || batch.length >= batchGatewaysMax) await save();
    }
    await save();
    registry.changed.clear();
  }

  /** X2. */
  async #isKeeperGone({ readers }: Session): Promise<boolean> {
    const found = await readers.load(registryReader);
    const age = this.#parts.clock.wallMs() - (found?.state?.at ?? 0);
    this.#mayKeep = age > roundsMissed * (this.#parts.keepEveryMs ?? keepEveryMs);
    return this.#mayKeep;
  }

  /** X4, and that what is forgotten is gone. */
  async #settle(registry: Registry): Promise<void> {
    const { book, facts, clock, log } = this.#parts;
    for (const said of book.all()) {
      const since = said.retiredAt ?? said.forgottenAt;
      if (since === undefined) continue;
      const heardAt = heardOf(registry, said);
      if (heardAt === undefined) continue;
      if (heardAt <= since) {
        if (said.forgottenAt !== undefined) registry.forget(said.gateway, said.device);
        continue;
      }
      const { gateway, device } = said;
      const request = factsRequest({ act: "returned", by: ownName, note: "it speaks again" });
      try {
        await facts.say({ gateway, device }, request, clock.wallMs());
        const detail = device === "" ? "the gateway" : `device ${device}`;
        const notice = `${detail} was ${said.act} and speaks again`;
        registry.gateways.get(gateway)?.notice("back-in-service", notice, heardAt);
        registry.changed.add(gateway);
        log.info({ gateway, device }, "what was out of service speaks again");
      } catch (failure) {
        log.debug({ gateway, device, reason: reasonOf(failure) }, "could not be said in DEVICES");
      }
    }
  }

  async #tell(registry: Registry): Promise<void> {
    const { alerts, clock, log } = this.#parts;
    const full = registry.fullness();
    const reason = full ?? "the registry lists all devices again";
    const finding = { isWrong: full !== undefined, reason, at: clock.wallMs() };
    try {
      await tellDeployment(alerts, { rule: "system-registry-full", ...finding });
    } catch (failure) {
      log.debug({ reason: reasonOf(failure) }, "the registry's bounds could not be told");
    }
  }
}

interface Session extends LoadedRegistry {
  /** X2: undefined where another process keeps it. */
  readonly reader: RegisteredReader | undefined;
  readonly readers: NatsReaderStore;
  newest?: JournalMessage;
}

/** When what it said last was stored; undefined where it is not listed. */
function heardOf({ gateways }: Registry, { gateway, device }: DeviceFacts): number | undefined {
  const own = gateways.get(gateway);
  if (device === "") return own?.storedAt;
  return own?.devices.get(device)?.storedAt;
}
