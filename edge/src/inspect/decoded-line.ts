/** What a device's message says, line by line, for programs and for people. */
import type { Decoded, Presence, Refused } from "@causeway/shared/decode/decoded.ts";
import type { Reading } from "@causeway/shared/event.ts";

/** A line of `decode --json`, and of what `inspect` shows. */
export type DecodedLine =
  | ({ readonly kind: "reading"; readonly device: string } & Reading)
  | ({ readonly kind: "presence" } & Presence)
  | ({ readonly kind: "quarantined" } & Pick<Refused, "device" | "reason" | "detail">)
  | {
      readonly kind: "system";
      readonly device: string | null;
      readonly name: string;
      readonly detail: string;
    };

export function linesOf(decoded: Decoded): readonly DecodedLine[] {
  const { presences = [], notes = [], left } = decoded;
  return [
    ...ownLines(decoded),
    ...(left === undefined ? [] : [refusedLine(left)]),
    ...presences.map((presence) => ({ kind: "presence" as const, ...presence })),
    ...notes.map((note) => ({ kind: "system" as const, device: null, ...note })),
  ];
}

function ownLines(decoded: Decoded): readonly DecodedLine[] {
  switch (decoded.kind) {
    case "readings": {
      const { device, observedAt, readings } = decoded;
      const time = observedAt === null ? {} : { observedAt };
      return readings.map((reading) => ({ kind: "reading", device, ...time, ...reading }));
    }
    case "told": {
      const { device, name, detail } = decoded;
      return [{ kind: "system", device, name: `device-${name}`, detail }];
    }
    case "quarantined":
      return [refusedLine(decoded)];
    case "presences":
      return [];
  }
}

function refusedLine({ device, reason, detail }: Refused): DecodedLine {
  return { kind: "quarantined", device, reason, detail };
}

/** For people. */
export function decodedText(line: DecodedLine): string {
  switch (line.kind) {
    case "reading": {
      const { device, metric, value, unit, unitOriginal, quality, reason, observedAt } = line;
      const original = unitOriginal === undefined ? "" : ` (${unitOriginal})`;
      const shown = `${JSON.stringify(value)}${unit === undefined ? "" : ` ${unit}${original}`}`;
      const why = reason === undefined ? "" : ` (${reason})`;
      const how = quality === "good" ? "" : `  ${quality}${why}`;
      const when = observedAt === undefined ? "" : `  ${new Date(observedAt).toISOString()}`;
      return `${device}  ${metric}  ${shown}${how}${when}`;
    }
    case "presence":
      return `${line.device}  is ${line.online ? "online" : "offline"}  ${line.reason}`;
    case "system":
      return `${line.device ?? "-"}  ${line.name}  ${line.detail}`;
    case "quarantined":
      return `${line.device ?? "-"}  quarantined: ${line.reason}  ${line.detail}`;
  }
}
