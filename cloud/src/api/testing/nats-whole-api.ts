/** The API with all of its parts on a real nats-server, and something of everything to be shown. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DeviceBook, encodeFacts, factsKey } from "@causeway/shared/devices/device-facts.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { derivedEvent } from "@causeway/shared/testing/derived-event.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { backtestApart } from "../../backtest/system-backtest.ts";
import { NatsCommandStore } from "../../command/nats-command-store.ts";
import { cloudSchema } from "../../config.ts";
import { NatsDeadDesk } from "../../dead/nats-dead-desk.ts";
import { NatsDeviceFacts } from "../../devices/nats-device-facts.ts";
import { Registry } from "../../devices/registry.ts";
import { NatsEngineStore } from "../../engine/nats-engine-store.ts";
import { accessOf } from "../../gateways/gateway-access.ts";
import { GatewayBook } from "../../gateways/gateway-entry.ts";
import { SystemHistory } from "../../history/system-history.ts";
import { NatsBucketFeed } from "../../nats-bucket-feed.ts";
import { NatsOperationsFeed, NatsOperationsStore } from "../../operate/nats-operations.ts";
import { keepingOperators, NatsOperatorsLog } from "../../operate/nats-operators-log.ts";
import { quotaShown } from "../../quota/quota-shown.ts";
import { NatsRulesDesk } from "../../rules/nats-rules-desk.ts";
import { NatsRulesStore } from "../../rules/nats-rules-store.ts";
import { loadedFrom } from "../../rules/rules-document.ts";
import { connectTest, prepareStreams } from "../../testing/nats-journal-writer.ts";
import { FleetView } from "../../views/fleet-view.ts";
import { event, heartbeat, readings, taken } from "../../views/testing/taken.ts";
import type { HttpApiOptions } from "../http-api.ts";
import type { StartedApi } from "./http-api.ts";
import { startedApi } from "./http-api.ts";

export interface WholeApi extends StartedApi {
  readonly view: FleetView;
  readonly operators: NatsOperatorsLog;
  readonly connection: NatsConnection;
  readonly natsUrl: string;
  /** Lines of level error. */
  readonly errors: readonly unknown[];
}

/** Gateway `gw-1` is of site north, `gw-2` of south. */
export const fleetDocument = {
  gateways: [
    { match: ["gw-1"], site: "north", labels: {} },
    { match: ["gw-2"], site: "south", labels: {} },
  ],
  devices: [],
};

export async function wholeApi(over: Partial<HttpApiOptions> = {}): Promise<WholeApi> {
  const server = await startNatsServer();
  const connection = await connectTest(server.url);
  const manager = await jetstreamManager(connection, { checkAPI: false });
  await prepareStreams(manager);
  const client = jetstream(connection);
  const [clock, random] = [systemClock(), systemRandom];
  const errors: unknown[] = [];
  const log = { ...silentLogger, error: (fields: object) => void errors.push(fields) };
  const parts = { connection, jetstream: client, manager, clock, random, log };
  const dataDir = await mkdtemp(join(tmpdir(), "causeway-api-"));
  const config = cloudSchema.parse({ nats: { servers: [server.url] }, dataDir });
  const book = new DeviceBook();
  const view = new FleetView(undefined, book);
  const registry = new Registry();
  fill(view, registry);
  const spoken = new NatsOperationsFeed(parts);
  const bookFeed = new NatsBucketFeed(parts, "KV_DEVICES", book);
  const store = new NatsEngineStore(connection, client, manager, random);
  const operators = new NatsOperatorsLog(client, manager);
  const loaded = loadedFrom({ rules: config.rules, fleet: fleetDocument }, "settings");
  const history = new SystemHistory({
    ...{ ...parts, settings: config.history, dataDir, fleet: () => fleetDocument },
  });
  const facts = new NatsDeviceFacts(client, manager);
  const started = await startedApi({
    ...{ view, log, clock, fleet: () => fleetDocument, silentAfterMs: 180_000 },
    places: { place: () => undefined, holds: async () => false },
    operations: {
      ...{ view: spoken.operations, store: new NatsOperationsStore(client, manager) },
      newId: () => random.hex(12),
    },
    access: (gateway) => accessOf(new GatewayBook(), gateway),
    quota: async () =>
      quotaShown(undefined, { eventsPerSecond: 100, bytesPerDay: undefined }, "UTC"),
    reports: { names: ["daily"], last: async () => undefined },
    commands: {
      store: new NatsCommandStore(client, manager, store, undefined),
      newId: () => random.hex(16),
    },
    devices: {
      sources: () => ({ registry, book, now: clock.wallMs(), silentAfterMs: 180_000 }),
      store: {
        say: async (place, request, at) => {
          const said = await facts.say(place, request, at);
          book.take(factsKey(place), encodeFacts(said));
          return said;
        },
      },
    },
    deadLetters: new NatsDeadDesk({ jetstream: client, manager, clock, random }),
    rules: {
      desk: new NatsRulesDesk({
        ...{ store: new NatsRulesStore(client, manager), config, configName: "settings" },
        ...{ current: () => loaded, refused: () => [], named: () => loaded.ruleSet.name },
      }),
      backtest: (order, signal) => backtestApart({ ...order, settings: config.nats }, signal),
    },
    operators: { keep: keepingOperators(operators, log), read: (query) => operators.read(query) },
    history: history.desk,
    ...over,
  });
  spoken.start();
  bookFeed.start();
  history.start();
  await spoken.loaded();
  const stop = async () => {
    await started.stop();
    await Promise.all([history.stop(), spoken.stop(), bookFeed.stop()]);
    await connection.close();
    await server.remove();
    await rm(dataDir, { recursive: true, force: true });
  };
  return { ...started, stop, view, operators, connection, natsUrl: server.url, errors };
}

function fill(view: FleetView, registry: Registry): void {
  const at = systemClock().wallMs();
  for (const name of ["gw-1", "gw-2"]) {
    const gateway = gatewayId(name);
    const own = { gateway, receivedAt: at, storedAt: at };
    const quarantined = { kind: "quarantined", reason: "not-json", detail: "x", payload: "eA==" };
    const events = [
      taken({ ...own, event: readings("tank", { level: 1, state: "open" }) }),
      taken({ ...own, position: 2, event: heartbeat({ untakenEvents: 3, outboxBytes: 9 }) }),
      taken({ ...own, position: 3, event: event({ ...quarantined, bytes: 1, topic: "a/b" }) }),
      taken({
        ...own,
        position: 4,
        event: event({ kind: "loss", to: 6, reason: "full", count: 3 }),
      }),
    ];
    const source = { partition: 3, gateway, lane: "live" as const };
    const folded = { source, taken: events, dead: [], doubt: undefined, findings: [] };
    view.applyFolded(folded, at);
    registry.take(folded, at);
    const group = { kind: "quarantined", reason: "not-json", detail: "x", topic: "a/b" } as const;
    const counts = { count: 1, counted: 0, firstAt: at, lastAt: at };
    view.applyLetters(name, [{ id: `letters-${name}`, ...group, ...counts }]);
    view.applyAlert(transition({ id: `open-${name}`, gateway: name, device: "tank" }));
    view.applyAlert(transition({ id: `over-${name}`, gateway: name, device: "tank" }));
    view.applyAlert(
      transition({ id: `over-${name}`, gateway: name, device: "tank", state: "resolved" }),
    );
    view.applyDerived(derivedEvent({ id: `derived-${name}`, gateway: name }));
  }
}
