/** What a gateway without devices sends and receives, by what it does, and what that makes in a month. */
import { askEveryMs } from "../edge/src/uplink/dial-settings.ts";

export const ways = ["nats", "tls", "wss"] as const;
export type Way = (typeof ways)[number];

/** What one socket has carried, as the kernel counts it. */
export interface Counted {
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly segments: number;
}

/** Bytes on the wire, both ways, for each of what a gateway does when nothing happens. */
export interface IdleCosts {
  readonly way: Way;
  /** A ping and its answer. */
  readonly pingBytes: number;
  /** A heartbeat, its answer, and the marks that are read until it is taken. */
  readonly heartbeatBytes: number;
  /** A question for commands that waits for one, and its end. */
  readonly questionBytes: number;
}

/** IPv4 and TCP with timestamps. */
const segmentBytes = 52;
const dayS = 86_400;
const monthDays = 30;

export function wireBytes({ bytesSent, bytesReceived, segments }: Counted): number {
  return bytesSent + bytesReceived + segments * segmentBytes;
}

export function since(before: Counted, after: Counted): Counted {
  return {
    bytesSent: after.bytesSent - before.bytesSent,
    bytesReceived: after.bytesReceived - before.bytesReceived,
    segments: after.segments - before.segments,
  };
}

/** Of `ss -tinHO`; undefined where there is no such socket. */
export function countedOf(line: string): Counted | undefined {
  const figure = (name: string) => Number(new RegExp(`\\b${name}:([0-9]+)`).exec(line)?.[1] ?? 0);
  if (!line.includes("segs_out:")) return undefined;
  return {
    bytesSent: figure("bytes_sent"),
    bytesReceived: figure("bytes_received"),
    segments: figure("segs_out") + figure("segs_in"),
  };
}

export interface Measured {
  readonly seconds: number;
  readonly bytes: number;
}

/** From three gateways: one that does neither, one that pings each second, one with heartbeats. */
export function costsOf(
  way: Way,
  quiet: Measured,
  pinging: Measured & { readonly everyS: number },
  beating: Measured & { readonly everyS: number },
): IdleCosts {
  const rate = ({ bytes, seconds }: Measured) => bytes / seconds;
  const questionBytes = rate(quiet) * questionS(rareS);
  const asked = questionBytes / questionS(pinging.everyS);
  return {
    way,
    pingBytes: Math.round((rate(pinging) - asked) * pinging.everyS),
    heartbeatBytes: Math.round((rate(beating) - rate(quiet)) * beating.everyS),
    questionBytes: Math.round(questionBytes),
  };
}

/** So long a gateway's ping interval is that does not ping, in seconds. */
export const rareS = 3_600;

function questionS(pingS: number): number {
  return askEveryMs(pingS * 1_000) / 1_000;
}

export function megabytesPerMonth(costs: IdleCosts, pingS: number, heartbeatS: number): number {
  const { pingBytes, heartbeatBytes, questionBytes } = costs;
  const perSecond =
    pingBytes / pingS + heartbeatBytes / heartbeatS + questionBytes / questionS(pingS);
  return (perSecond * dayS * monthDays) / 1e6;
}

const choices = [
  [10, 60],
  [30, 60],
  [60, 60],
  [60, 300],
  [240, 900],
  [240, 3_600],
] as const;

export function idleTable(all: readonly IdleCosts[]): string {
  const costs = all.map(
    ({ way, pingBytes, heartbeatBytes, questionBytes }) =>
      `| ${way}:// | ${pingBytes} | ${heartbeatBytes} | ${questionBytes} |`,
  );
  const months = choices.map(([pingS, heartbeatS]) => {
    const cells = all.map((one) => megabytesPerMonth(one, pingS, heartbeatS).toFixed(1));
    return `| ${pingS} s | ${heartbeatS} s | ${cells.join(" | ")} |`;
  });
  const names = all.map(({ way }) => `${way}://`);
  return [
    "| way | bytes a ping | bytes a heartbeat | bytes a question for commands |",
    "|---|---|---|---|",
    ...costs,
    "",
    `| pingMs | heartbeatMs | ${names.map((name) => `MB a month, ${name}`).join(" | ")} |`,
    `|---|---|${"---|".repeat(names.length)}`,
    ...months,
  ].join("\n");
}
