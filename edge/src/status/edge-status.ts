/** How the gateway is, in words: whether it is well, why not, and what a person wants to know. */
import type { BrokerStatus } from "../broker/broker.ts";
import type { FileAccessStatus } from "../broker/file-access.ts";
import type { SourceStatus } from "../broker/mqtt-source.ts";
import type { GatewayStatus } from "../gateway.ts";
import type { ClockStatus } from "../time/time-keeper.ts";
import type { DiskStatus } from "./outbox-figures.ts";
import { bytesText, durationText, outboxRows } from "./outbox-figures.ts";

export interface EdgeStatus extends GatewayStatus {
  readonly access: FileAccessStatus;
  readonly broker: BrokerStatus;
  readonly sources: readonly SourceStatus[];
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

function stuckReason({ uplink, outbox, takenAgoMs, disk }: EdgeStatus): string | undefined {
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

export function sectionsOf(status: EdgeStatus): readonly Section[] {
  const { uplink, outbox, intake, broker, access, disk } = status;
  const taken = status.takenAgoMs === undefined ? "never yet" : agoText(status.takenAgoMs);
  const cap = uplink.capBytesPerSecond;
  const days = access.certificateDaysLeft;
  return [
    {
      title: "Cloud",
      rows: [
        ["Link", uplink.link],
        ["Last taken", taken],
        ["Not yet taken", `${uplink.untakenEvents} events`],
        ["Troubles", uplink.troubles.join("; ") || "none"],
        ["Cap", cap === undefined ? "none" : `${bytesText(cap)} a second`],
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
      ],
    },
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
