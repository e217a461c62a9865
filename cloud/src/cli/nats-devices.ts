/** `causeway-cloud devices` and `gateways`: the registry, and what people say of it. */
import { factsRequest } from "@causeway/shared/devices/device-facts.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { devicesStream, gatewaysStream, registryStream } from "@causeway/shared/subjects.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { deviceStates } from "../devices/device-state.ts";
import type { ViewSources } from "../devices/device-view.ts";
import { deviceDetails, listDevices, listGateways } from "../devices/device-view.ts";
import { NatsDeviceFacts } from "../devices/nats-device-facts.ts";
import { readRegistry } from "../devices/nats-registry-load.ts";
import { defaultRegistryBounds } from "../devices/registry.ts";
import { withAccess } from "../gateways/gateway-access.ts";
import { NatsGateways } from "../gateways/nats-gateways.ts";
import { deviceDetailLines, deviceText, gatewayDetailLines, gatewayText } from "./device-list.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, streamInfo } from "./nats-commands.ts";
import type { GatewayFlags, GatewayParts } from "./nats-gateways.ts";
import { accessActs, gatewayAccess } from "./nats-gateways.ts";
import { recordAct } from "./nats-operators.ts";
import { author } from "./system-author.ts";

export interface DeviceFlags {
  readonly json?: boolean;
  readonly gateway?: string;
  readonly state?: string;
  readonly by?: string;
  readonly note: string;
}

export interface DeviceParts extends CommandParts {
  /** A gateway is silent after so long; 0: never. */
  readonly silentAfterMs: number;
}

interface Opened {
  readonly connection: NatsConnection;
  readonly parts: DeviceParts;
  readonly flags: DeviceFlags;
  readonly facts: NatsDeviceFacts;
  readonly sources: ViewSources;
}

export const deviceActs =
  "list, show GATEWAY DEVICE, rename GATEWAY DEVICE [NAME], replace GATEWAY OLD NEW, " +
  "retire, return or forget GATEWAY DEVICE";
export const gatewayActs = `list, show GATEWAY, ${accessActs}, rename GATEWAY [NAME], retire, return or forget GATEWAY`;

/** Throws CLI_USAGE, DEVICE_UNKNOWN and OPERATION_INVALID. */
export function devices(
  parts: DeviceParts,
  act: string,
  args: readonly string[],
  flags: DeviceFlags,
): Promise<number> {
  const [gateway = "", device = "", third] = args;
  const isKnown = act === "list" ? args.length === 0 : args.length >= 2 && args.length <= 3;
  if (!isKnown) throw usage(`devices ${act}: write devices ${deviceActs}`);
  const state = deviceStates.find((known) => known === flags.state);
  if (flags.state !== undefined && state === undefined)
    throw usage(`--state ${flags.state}: one of ${deviceStates.join(", ")}`);
  if (act === "replace" && third !== undefined)
    return say(parts, { gateway, device: third }, { act: "replaced", old: device }, flags);
  if (act === "rename")
    return say(parts, { gateway, device }, { act: "renamed", name: third ?? "" }, flags);
  const said = args.length === 2 ? wordOf(act) : undefined;
  if (said !== undefined) return say(parts, { gateway, device }, { act: said }, flags);
  if (act === "show" && args.length === 2)
    return opened(parts, flags, (own) => showDevice(own, gateway, device));
  if (act !== "list") throw usage(`devices ${act}: write devices ${deviceActs}`);
  return opened(parts, flags, async ({ sources }) => {
    const query = { gateway: flags.gateway, state, limit: Number.POSITIVE_INFINITY };
    const { devices: found, total, states } = listDevices(sources, query);
    for (const one of found)
      parts.write(flags.json ? JSON.stringify(one) : deviceText(one, sources.now));
    const counts = deviceStates.flatMap((each) =>
      states[each] > 0 ? [`${states[each]} ${each}`] : [],
    );
    if (!flags.json)
      parts.write(`${total} devices${counts.length > 0 ? `: ${counts.join(", ")}` : ""}`);
    return 0;
  });
}

/** Throws CLI_USAGE, DEVICE_UNKNOWN and OPERATION_INVALID. */
export function gateways(
  parts: DeviceParts & GatewayParts,
  act: string,
  args: readonly string[],
  flags: DeviceFlags & GatewayFlags,
): Promise<number> {
  const access = gatewayAccess(parts, act, args, flags);
  if (access !== undefined) return access;
  const [gateway = "", name] = args;
  const place = { gateway, device: "" };
  if (act === "rename" && args.length >= 1 && args.length <= 2)
    return say(parts, place, { act: "renamed", name: name ?? "" }, flags);
  const said = args.length === 1 ? wordOf(act) : undefined;
  if (said !== undefined) return say(parts, place, { act: said }, flags);
  const isKnown = act === "list" ? args.length === 0 : act === "show" && args.length === 1;
  if (!isKnown) throw usage(`gateways ${act}: write gateways ${gatewayActs}`);
  return opened(parts, flags, async ({ connection, sources }) => {
    await streamInfo(connection, gatewaysStream);
    const own = new NatsGateways(jetstream(connection), await jetstreamManager(connection));
    const all = withAccess(listGateways(sources), (await own.load()).book);
    const found = act === "list" ? all : all.filter((one) => one.gateway === gateway);
    if (act === "show" && found.length === 0) throw unknown(`gateway ${gateway}`, "gateways list");
    for (const one of found) {
      const lines =
        act === "list" ? [gatewayText(one, sources.now)] : gatewayDetailLines(one, sources.now);
      for (const line of flags.json ? [JSON.stringify(one)] : lines) parts.write(line);
    }
    return 0;
  });
}

function wordOf(act: string): "retired" | "returned" | "forgotten" | undefined {
  const words = { retire: "retired", return: "returned", forget: "forgotten" } as const;
  return Object.hasOwn(words, act) ? words[act as keyof typeof words] : undefined;
}

async function showDevice(
  { parts, flags, sources }: Opened,
  gateway: string,
  device: string,
): Promise<number> {
  const found = deviceDetails(sources, gateway, device);
  if (found === undefined) throw unknown(`${gateway} ${device}`, "devices list");
  const lines = flags.json ? [JSON.stringify(found)] : deviceDetailLines(found, sources.now);
  for (const line of lines) parts.write(line);
  return 0;
}

/** Of what is in the registry, so that a name that was mistyped is told. */
function say(
  parts: DeviceParts,
  place: { readonly gateway: string; readonly device: string },
  said: Readonly<Record<string, string>>,
  flags: DeviceFlags,
): Promise<number> {
  const by = author(flags.by);
  const request = factsRequest({ ...said, by, note: flags.note });
  return opened(parts, flags, async ({ connection, sources, facts }) => {
    const row = sources.registry.gateways.get(place.gateway);
    const isThere = place.device === "" || row?.devices.has(place.device) === true;
    const { gateway, device } = place;
    if (row === undefined) throw unknown(`gateway ${gateway}`, "gateways list");
    if (!isThere) throw unknown(`${gateway} ${device}`, "devices list");
    const now = await facts.say(place, request, parts.clock.wallMs());
    const done = `${device === "" ? "gateway" : "device"}.${now.act}`;
    const on = device === "" ? gateway : `${gateway}/${device}`;
    await recordAct(connection, parts, { act: done, on, detail: now.note });
    const what = device === "" ? `gateway ${gateway}` : `${gateway} ${device}`;
    parts.write(flags.json ? JSON.stringify(now) : `${what} is ${now.act} by ${now.by}`);
    return 0;
  });
}

async function opened(
  parts: DeviceParts,
  flags: DeviceFlags,
  act: (opened: Opened) => Promise<number>,
): Promise<number> {
  return connected(parts, async (connection) => {
    for (const stream of [devicesStream, registryStream]) await streamInfo(connection, stream);
    const manager = await jetstreamManager(connection);
    const facts = new NatsDeviceFacts(jetstream(connection), manager);
    const sources = await sourcesOf(parts, connection, facts);
    return act({ connection, parts, flags, facts, sources });
  });
}

async function sourcesOf(
  { clock, random, signal, warn, silentAfterMs }: DeviceParts,
  connection: NatsConnection,
  facts: NatsDeviceFacts,
): Promise<ViewSources> {
  const manager = await jetstreamManager(connection);
  const log: Logger = {
    ...silentLogger,
    error: ({ gateway, reason }) => warn(`${String(gateway)}: ${reasonOf(reason)}`),
  };
  const own = { connection, jetstream: jetstream(connection), manager, random, log };
  const registry = await readRegistry(own, defaultRegistryBounds, signal);
  const book = await facts.load();
  return { registry, book, now: clock.wallMs(), silentAfterMs: silentAfterMs || undefined };
}

function usage(why: string): CodedError {
  return new CodedError("CLI_USAGE", why);
}

function unknown(what: string, where: string): CodedError {
  return new CodedError("DEVICE_UNKNOWN", `${what}: see causeway-cloud ${where}`);
}
