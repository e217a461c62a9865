/** How the gateway is, in words: whether it is well, why not, and what a person wants to know. */
import type { LocalAlarmsStatus } from "../alarms/system-alarms.ts";
import type { BrokerStatus } from "../broker/broker.ts";
import type { FileAccessStatus } from "../broker/file-access.ts";
import type { SourceStatus } from "../broker/mqtt-source.ts";
import type { DispatcherCounters } from "../downlink/dispatcher.ts";
import type { DownlinkFigures } from "../downlink/downlink.ts";
import { filterRows } from "../filter/filter-figures.ts";
import type { GatewayStatus } from "../gateway.ts";
import type { InspectionFigures } from "../inspect/inspection.ts";
import type { IntakeCounters } from "../intake.ts";
import type { RoutesStatus } from "../mapping/file-live-routes.ts";
import type { ClockStatus } from "../time/time-keeper.ts";
import type { DialStatus } from "../uplink/nats-redial.ts";
import type { UplinkStatus } from "../uplink/uplink-event.ts";
import { budgetRows } from "./budget-figures.ts";
import type { DiskStatus } from "./outbox-figures.ts";
import { bytesText, durationText, outboxRows } from "./outbox-figures.ts";

export interface DownlinkStatus {
  readonly figures: DownlinkFigures;
  readonly counters: DispatcherCounters;
  /** Why no commands can come; undefined while they can. */
  readonly trouble: string | undefined;
}

export interface EdgeStatus extends GatewayStatus {
  readonly access: FileAccessStatus;
  readonly broker: BrokerStatus;
  readonly sources: readonly SourceStatus[];
  readonly downlink: DownlinkStatus;
  /** Undefined where the gateway has no rules of its own. */
  readonly alarms: LocalAlarmsStatus | undefined;
  /** Of topics; undefined where none has one. */
  readonly routes: RoutesStatus | undefined;
  readonly dial: DialStatus;
  readonly disk: DiskStatus;
  readonly version: string;
}

export interface Health {
  readonly isHealthy: boolean;
  /** In words, the gravest first; empty while all is well. */
  readonly reasons: readonly string[];
}

export interface Section {
  readonly title: string;
  readonly rows: readonly (readonly [name: string, value: string])[];
}

/** The cloud takes a heartbeat within seconds; that long nothing was taken, and something waits. */
const stuckMs = 60_000;
const nearlyFullShare = 0.9;
const certificateDaysMin = 14;

/** Not whether a socket is open, but whether what devices send is kept, and taken. */
export function healthOf(status: EdgeStatus): Health {
  const reasons = [
    obstacleReason(status),
    stuckReason(status),
    clockReason(status.clock),
    fullReason(status),
    ...accessReasons(status.access),
    ...status.sources.flatMap(sourceReason),
  ].filter((reason) => reason !== undefined);
  return { isHealthy: reasons.length === 0, reasons };
}

function sourceReason({ name, isConnected, trouble }: SourceStatus): string[] {
  if (trouble === undefined) return [];
  return [`source ${name}${isConnected ? "" : " is not connected"}: ${trouble}`];
}

function obstacleReason({ outbox }: EdgeStatus): string | undefined {
  return outbox.obstacle === undefined ? undefined : `nothing is acknowledged: ${outbox.obstacle}`;
}

function stuckReason(status: EdgeStatus): string | undefined {
  const { uplink, outbox, takenAgoMs, disk, dial } = status;
  if (dial.shut !== undefined) return undefined;
  const forMs = takenAgoMs ?? disk.forMs;
  const waits = Object.values(outbox.backlog).filter(({ events }) => events > 0);
  const isOld = waits.some(({ ageMs = stuckMs }) => ageMs >= stuckMs);
  if (uplink.untakenEvents === 0 || forMs < stuckMs || !isOld) return undefined;
  const why = uplink.troubles.join("; ") || "no trouble is known, look at the cloud";
  return `the cloud has taken nothing for ${durationText(forMs)}: ${why}`;
}

function clockReason(clock: ClockStatus): string | undefined {
  const isWell = clock.isDated && clock.quality === "set";
  return isWell ? undefined : `the clock is ${clockText(clock)}`;
}

function fullReason({ outbox }: EdgeStatus): string | undefined {
  const full = Object.entries(outbox.logs).find(
    ([, { bytes, bytesMax }]) => bytes >= bytesMax * nearlyFullShare,
  );
  if (full === undefined || outbox.obstacle !== undefined) return undefined;
  const [log, { bytes, bytesMax }] = full;
  return `the outbox gives way: ${bytesText(bytes)} of ${bytesText(bytesMax)} of ${log} are used`;
}

function accessReasons({ refusedFiles, certificateDaysLeft }: FileAccessStatus): string[] {
  const reasons: string[] = [];
  if (refusedFiles > 0) {
    const files = refusedFiles === 1 ? "1 changed file is" : `${refusedFiles} changed files are`;
    reasons.push(`${files} not in force, for passwords, ACL or certificates: see the log`);
  }
  if (certificateDaysLeft !== undefined && certificateDaysLeft < certificateDaysMin) {
    reasons.push(`a listener's certificate ${certificateText(certificateDaysLeft)}`);
  }
  return reasons;
}

/** What history holds does not keep fresh events waiting. */
function untakenText({ untakenEvents, lanes: { history } }: EdgeStatus["uplink"]): string {
  const all = `${untakenEvents} events`;
  if (history.untakenEvents === 0) return all;
  return `${all}, ${history.untakenEvents} of them by history, behind what is fresh`;
}

export function sectionsOf(status: EdgeStatus): readonly Section[] {
  const { uplink, outbox, intake, inspection, broker, access, disk } = status;
  const taken = status.takenAgoMs === undefined ? "never yet" : agoText(status.takenAgoMs);
  const days = access.certificateDaysLeft;
  return [
    {
      title: "Cloud",
      rows: [
        ["Link", linkText(uplink.link, status.dial)],
        ["Last taken", taken],
        ["Not yet taken", untakenText(uplink)],
        ["Troubles", uplink.troubles.join("; ") || "none"],
        ...budgetRows(uplink),
      ],
    },
    { title: "Outbox", rows: [...outboxRows(outbox, disk), ["Epoch", status.epoch]] },
    {
      title: "Devices",
      rows: [
        ["MQTT connections", `${broker.connections}`],
        ["Publishes acknowledged", `${broker.published}`],
        ["Publishes refused", `${broker.refused}`],
        ["QoS 0 publishes dropped", `${broker.droppedPublishes}`],
        ["Readings", `${intake.readings}`],
        ["Quarantined", `${intake.quarantined}`],
        ...routeRows(status.routes, intake),
        ...inspectionRows(inspection),
        ...(broker.sharedIds === 0 ? [] : [["Shared client ids", sharedText(broker)] as const]),
      ],
    },
    { title: "Commands", rows: commandRows(status.downlink) },
    ...(status.filter === undefined ? [] : [{ title: "Filters", rows: filterRows(status.filter) }]),
    ...alarmSections(status.alarms),
    {
      title: "Machine",
      rows: [
        ["Clock", clockText(status.clock)],
        ...(days === undefined ? [] : [["Certificate", certificateText(days)] as const]),
        ["Running for", durationText(disk.forMs)],
        ["Version", status.version],
      ],
    },
  ];
}

function linkText(
  link: UplinkStatus["link"],
  { server, servers, moves, shut }: DialStatus,
): string {
  if (link === "down") return shut === undefined ? "down" : `closed: ${shut}`;
  const of = servers > 1 ? `, one of ${servers}; moved ${moves} times` : "";
  return server === undefined ? link : `${link}, ${server}${of}`;
}

function sharedText({ sharedIds }: BrokerStatus): string {
  return `${sharedIds}: clients throw each other out, see causeway-edge devices`;
}

function inspectionRows(figures: InspectionFigures): Section["rows"] {
  const { topics, topicsRefusing, devices, devicesHeard } = figures;
  const { topicsBeyond, devicesBeyond, metricsBeyond } = figures;
  const refusing =
    topicsRefusing === 0 ? "" : `, of ${topicsRefusing} the last message was refused`;
  const isBeyond = topicsBeyond + devicesBeyond + metricsBeyond > 0;
  const beyond = `${topicsBeyond} messages by topic, ${devicesBeyond} by device`;
  return [
    ["Topics", `${topics}${refusing}`],
    ["Devices heard of", `${devices}, ${devicesHeard} of them in the last minute`],
    ...(isBeyond ? [["Not listed", `${beyond}, ${metricsBeyond} metrics`] as const] : []),
  ];
}

function routeRows(routes: RoutesStatus | undefined, intake: IntakeCounters): Section["rows"] {
  if (routes === undefined) return [];
  const { file, refused } = routes;
  const { dropped, keyed } = intake;
  const from = file === undefined ? "" : ` from ${file}`;
  return [
    [
      "Routes",
      `${routes.routes}${from}; ${dropped} messages dropped, ${keyed} repeats by their key`,
    ],
    ...(refused === undefined ? [] : [["Routes refused", refused] as const]),
  ];
}

function commandRows({ figures, counters, trouble }: DownlinkStatus): Section["rows"] {
  const { open, unwanted, delivered } = figures;
  const { done, failed, expired, refused } = counters;
  const ended = `${done} done, ${failed} failed, ${expired} expired, ${refused} refused`;
  return [
    ["Fetching", trouble ?? "from the cloud"],
    ["Open", `${open}: for ${unwanted} no client is there, ${delivered} wait for a reply`],
    ["Since the start", ended],
  ];
}

const openShownMax = 10;

function alarmSections(alarms: LocalAlarmsStatus | undefined): readonly Section[] {
  if (alarms?.rules === undefined) return [];
  const { rules, receivers } = alarms;
  const { behind, missed, refused, open, openCount } = rules;
  const shown = open.slice(0, openShownMax).map(({ rule, device, metric, severity, reason }) => {
    const where = [device, metric].filter(Boolean).join(" ");
    return [`${severity}: ${rule}`, where === "" ? reason : `${where}: ${reason}`] as const;
  });
  const more = openCount - shown.length;
  return [
    {
      title: "Local rules",
      rows: [
        ["Rules", `${rules.rules} from ${rules.source}`],
        ...(refused === undefined ? [] : [["Refused", refused] as const]),
        ["Judged", `${rules.judged} readings of ${rules.series} series; ${behind} events wait`],
        ...(missed === 0 ? [] : [["Missed", `${missed} events, given up unjudged`] as const]),
        ["Open alarms", `${openCount}`],
        ...shown,
        ...(more > 0 ? [["", `and ${more} more`] as const] : []),
        ...receivers.map(({ receiver, delivered, dead, outstanding, waitingFor }) => {
          const counts = `${delivered} told, ${outstanding} on their way, ${dead} given up`;
          const text = waitingFor === undefined ? counts : `${counts}; waits for ${waitingFor}`;
          return [`Receiver ${receiver}`, text] as const;
        }),
      ],
    },
  ];
}

function certificateText(days: number): string {
  return days < 0 ? `ended ${-days} days ago` : `ends in ${days} days`;
}

function agoText(ms: number): string {
  return `${durationText(ms)} ago`;
}

function clockText({ quality, isDated, wallAheadMs }: ClockStatus): string {
  if (!isDated) return `${clockWords[quality]}: events go undated until it is set`;
  if (quality === "set") return "set";
  return `${durationText(Math.abs(wallAheadMs))} ${quality}; events are dated without it`;
}

const clockWords: Readonly<Record<ClockStatus["quality"], string>> = {
  set: "set, and not yet written down",
  behind: "behind",
  ahead: "far ahead",
  restored: "perhaps that of the last shutdown",
};
