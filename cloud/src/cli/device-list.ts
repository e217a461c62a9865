/** What `causeway-cloud devices` and `gateways` print for people. */
import type { DeviceDetails, DeviceView, GatewayDetails } from "../devices/device-view.ts";
import type { GatewayAccess, UnheardGateway } from "../gateways/gateway-access.ts";

export function deviceText(view: DeviceView, now: number): string {
  const { gateway, device, state, family, eventsPerMinute, lastSeen } = view;
  const words = [state.padEnd(7), (family || "-").padEnd(11), gateway, device];
  const rate = `${view.metrics} metrics  ${rateText(eventsPerMinute)}/min  heard ${ago(now - lastSeen)}`;
  return `${words.join("  ")}  ${rate}${namesOf(view)}`;
}

function namesOf({
  name,
  device,
  series,
  replacedBy,
}: Pick<DeviceView, "name" | "device" | "series" | "replacedBy">) {
  const own = name === "" ? "" : `  "${name}"`;
  const as = series === device ? "" : `  goes on as ${series}`;
  return `${own}${as}${replacedBy === "" ? "" : `  replaced by ${replacedBy}`}`;
}

export function deviceDetailLines(found: DeviceDetails, now: number): readonly string[] {
  const { state, reason, since, firmware, metrics, topics, tags, notices, said, beyond } = found;
  const at = since === null ? "" : ` since ${when(since)}`;
  const lines = [
    `${found.gateway}  ${found.device}${namesOf(found)}`,
    `state     ${state}: ${reason}${at}`,
    `family    ${found.family || "not known"}${firmware === "" ? "" : `, firmware ${firmware}`}`,
    `heard     ${when(found.lastSeen)} (${ago(now - found.lastSeen)}), first ${when(found.firstSeen)}`,
    `events    ${found.events}, ${found.readings} readings, ${found.late} late, ` +
      `${rateText(found.eventsPerMinute)}/min, some ${found.sizeMean} characters each`,
    ...topics.map((topic) => `topic     ${topic}`),
    ...(tags.length === 0 ? [] : [`tags      ${tags.join(", ")}`]),
    ...metrics.map(
      ({ metric, unit, quality }) =>
        `metric    ${metric}${unit === null ? "" : ` ${unit}`}  ${quality}`,
    ),
    ...notices.map(noticeText),
  ];
  if (beyond > 0) lines.push(`beyond    ${beyond} readings of metrics that are not listed`);
  if (said !== null) lines.push(saidText(said));
  return lines;
}

function noticeText({ name, detail, at, count }: DeviceDetails["notices"][number]): string {
  const times = count === 1 ? "" : `, ${count} times`;
  return `notice    ${when(at)}${times}  ${name}${detail === "" ? "" : `: ${detail}`}`;
}

type ListedGateway = (GatewayDetails | UnheardGateway) & GatewayAccess;

export function gatewayText(found: ListedGateway, now: number): string {
  const { gateway, state, access, site } = found;
  const place = site === "" ? "" : `  at ${site}`;
  // Where no keys are used, nothing is to be said of them.
  const may = access === "unlisted" ? "" : `  ${access}`;
  const head = `${state.padEnd(7)}  ${gateway}${place}${may}`;
  if (found.state === "unheard") return head;
  const { devices, events, late, name, version, storedAt } = found;
  const words = [head, `${devices} devices`, `${events} events`, `${late} late`];
  const own = name === "" ? "" : `  "${name}"`;
  return `${words.join("  ")}  heard ${ago(now - storedAt)}  ${version}${own}`.trimEnd();
}

export function gatewayDetailLines(found: ListedGateway, now: number): readonly string[] {
  const { key, labels, revoked, said } = found;
  const told = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return [
    gatewayText(found, now),
    ...(key === null ? [] : [`key       ${key}`]),
    ...(told.length === 0 ? [] : [`labels    ${told.join(" ")}`]),
    ...revoked.map((old) => `revoked   ${old.key} at ${when(old.at)}`),
    ...(said === null ? [] : [saidText(said)]),
    ...(found.state === "unheard" ? [] : found.notices.map(noticeText)),
  ];
}

function saidText({
  act,
  by,
  at,
  note,
}: Omit<NonNullable<DeviceDetails["said"]>, "act"> & { readonly act: string }): string {
  return `said      ${act} by ${by} at ${when(at)}${note === "" ? "" : `: ${note}`}`;
}

function rateText(perMinute: number): number {
  return perMinute >= 10 ? Math.round(perMinute) : Math.round(perMinute * 10) / 10;
}

function when(at: number): string {
  return new Date(at).toISOString();
}

function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800
    ? `${Math.round(seconds / 3_600)} h ago`
    : `${Math.round(seconds / 86_400)} days ago`;
}
