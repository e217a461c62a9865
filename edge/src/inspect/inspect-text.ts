/** What `inspect` prints for people: a block for each message, and tables. Pure. */
import { bytesText, durationText } from "../status/outbox-figures.ts";
import { decodedText } from "./decoded-line.ts";
import type { Inspected, InspectLine, Raw } from "./inspected.ts";
import { cutTo, printable } from "./printable.ts";
import type { DeviceList, DeviceView, TopicList, TopicView } from "./views.ts";

export interface Look {
  /** A raw payload is cut to it. */
  readonly columns: number;
  readonly colours: boolean;
}

const mappedShown = 40;

export function lineText(line: InspectLine, look: Look): string {
  switch (line.kind) {
    case "message":
      return messageText(line, look);
    case "notice": {
      const { receivedAt, name, detail } = line;
      const text = `${timeText(receivedAt)}  ${name}  ${detail}`;
      return `${inColour("bad", printable(text), look)}\n`;
    }
    case "dropped":
      return `${inColour("soft", `… ${line.count} messages are not shown`, look)}\n`;
    case "hello": {
      const text = `gateway ${line.gateway}, causeway-edge ${line.version}; Ctrl-C ends`;
      return `${inColour("soft", printable(text), look)}\n`;
    }
  }
}

export function messageText(message: Inspected, look: Look): string {
  const { receivedAt, topic, client, qos, bytes, mapped, more = 0 } = message;
  const from = `${readAs(message)}  ${bytesText(bytes)}  QoS ${qos} from ${client}`;
  const shown = mapped.slice(0, mappedShown);
  const left = mapped.length - shown.length + more;
  const lines = [
    `${printable(`${timeText(receivedAt)}  ${topic}`)}  ${inColour("soft", printable(from), look)}`,
    inColour("soft", `   ${rawText(message, look.columns - 3)}`, look),
    ...shown
      .filter(({ kind }) => kind !== "quarantined")
      .map((line) => `-> ${printable(decodedText(line))}`),
    ...(left > 0 ? [`-> and ${left} more`] : []),
    ...restLines(message),
    ...refusalLines(message).map((line) => inColour("bad", line, look)),
  ];
  return `${lines.join("\n")}\n`;
}

/** By which route, or family. */
export function readAs({ family, route }: Pick<TopicView, "family" | "route">): string {
  return route === undefined ? family || "no family" : `route ${route}`;
}

function restLines({ result, filtered }: Inspected): readonly string[] {
  if (result === "dropped") return ["-> dropped by its route"];
  if (result === "repeat") return ["-> a repeat, by the key of its route"];
  if (result === "reply") return ["-> the answer to a command"];
  return filtered === undefined ? [] : [`-> ${filtered} of them kept back by a filter`];
}

function refusalLines({ reason, detail, cure }: Inspected): readonly string[] {
  if (reason === undefined) return [];
  const why = `!  quarantined: ${reason}${detail === undefined ? "" : `: ${detail}`}`;
  return [printable(why), ...(cure === undefined ? [] : [`   ${cure}`])];
}

/** JSON without the blanks between its values; bytes in hex. */
export function rawText({ raw, encoding, cut }: Raw, columns: number): string {
  const text =
    encoding === "base64"
      ? (Buffer.from(raw, "base64").toString("hex").match(/../g) ?? []).join(" ")
      : printable(onOneLine(raw));
  const shown = text === "" ? "(empty)" : text;
  return cutTo(cut === true ? `${shown}…` : shown, Math.max(20, columns));
}

function onOneLine(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text.trim();
  return text.replace(
    /("(?:[^"\\]|\\.)*")|\s+/g,
    (_all, quoted: string | undefined) => quoted ?? "",
  );
}

function timeText(ms: number | null): string {
  return ms === null ? "no time yet" : new Date(ms).toISOString();
}

type Row = readonly string[];

export function topicsText({ topics, total, beyond }: TopicList, look: Look): string {
  const head = ["TOPIC", "READ AS", "DEVICE", "1 MIN", "1 H", "SIZE", "HEARD", "REFUSED", ""];
  const rows = topics.map(topicRow);
  const isBad = topics.map(({ result }) => result === "quarantined");
  return `${table(head, rows, isBad, look)}${restText("topics", topics.length, total, beyond)}`;
}

function topicRow(view: TopicView): Row {
  const { topic, device = "-", lastMinute, lastHour, bytes, agoMs, refused } = view;
  const { reason, result, detail = "" } = view;
  const isNow = result === "quarantined" && reason !== undefined;
  return [
    ...[shortened(topic, 60), readAs(view), shortened(device, 40), `${lastMinute}`, `${lastHour}`],
    ...[bytesText(bytes.mean), `${durationText(agoMs)} ago`, `${refused}`],
    isNow ? shortened(`${reason}: ${detail}`, 60) : (reason ?? ""),
  ];
}

export function devicesText({ devices, total, beyond }: DeviceList, look: Look): string {
  const head = ["DEVICE", "FAMILY", "1 MIN", "1 H", "SIZE", "HEARD", "REFUSED", "METRICS", "FROM"];
  const rows = devices.map(deviceRow);
  const isBad = devices.map(({ sharedAt, presence }) => {
    return sharedAt !== undefined || presence?.online === false;
  });
  return `${table(head, rows, isBad, look)}${restText("devices", devices.length, total, beyond)}`;
}

function deviceRow(view: DeviceView): Row {
  const { device, family, lastMinute, lastHour, bytes, agoMs, refused } = view;
  const { metrics, moreMetrics } = view;
  return [
    ...[
      shortened(device, 60),
      family || "-",
      `${lastMinute}`,
      `${lastHour}`,
      bytesText(bytes.mean),
    ],
    ...[`${durationText(agoMs)} ago`, `${refused}`, `${metrics.length}${moreMetrics ? "+" : ""}`],
    fromText(view),
  ];
}

/** Who publishes for it, from where, and what is wrong with that. */
export function fromText(view: DeviceView): string {
  const { client = "", source, connection, presence, takeovers, sharedAt, device } = view;
  const who =
    source === undefined ? (client === device ? "" : `client ${client}`) : `source ${source}`;
  const said =
    presence === undefined ? "" : `${presence.online ? "online" : "offline"} (${presence.reason})`;
  const times = takeovers === 1 ? "once" : `${takeovers} times`;
  return [
    who,
    connection?.address ?? "",
    said,
    ...(sharedAt === undefined
      ? [takeovers > 0 ? `taken over ${times}` : ""]
      : [`several share this client id: taken over ${times}`]),
  ]
    .filter((part) => part !== "")
    .join(", ");
}

function shortened(text: string, charactersMax: number): string {
  return cutTo(printable(text), charactersMax);
}

function restText(what: string, shown: number, total: number, beyond: number): string {
  const more = total > shown ? `${total - shown} more ${what} are not shown\n` : "";
  const lost = beyond > 0 ? `${beyond} messages were of ${what} beyond what is listed\n` : "";
  return `${total} ${what}\n${more}${lost}`;
}

function table(head: Row, rows: readonly Row[], isBad: readonly boolean[], look: Look): string {
  const shown = rows.map((row) => row.map(printable));
  const widths = head.map((name, at) =>
    Math.max(name.length, ...shown.map((row) => row[at]?.length ?? 0)),
  );
  const text = (row: Row) => {
    const cells = row.map((cell, at) => cell.padEnd(widths[at] ?? 0));
    return cutTo(cells.join("  ").trimEnd(), look.columns);
  };
  const lines = shown.map((row, at) => {
    return isBad[at] === true ? inColour("bad", text(row), look) : text(row);
  });
  return `${[text(head), ...lines].join("\n")}\n`;
}

function inColour(colour: "bad" | "soft", text: string, { colours }: Look): string {
  if (!colours) return text;
  return `\u001b[${colour === "bad" ? 31 : 2}m${text}\u001b[0m`;
}
