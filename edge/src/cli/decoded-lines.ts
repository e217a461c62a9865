/** What the gateway makes of a device's message, without a gateway that runs. Pure. */
import { Decoder } from "@causeway/shared/decode/decode.ts";
import type { Decoded, Presence, Refused } from "@causeway/shared/decode/decoded.ts";
import type { Learnt } from "@causeway/shared/decode/memory.ts";
import type { Reading } from "@causeway/shared/event.ts";

export interface DeviceMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** A line of `decode --json`. */
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

/** Of the last message; the others are learnt from before it, as births and discovery are. */
export function decodedLines(
  before: readonly DeviceMessage[],
  message: DeviceMessage,
  presentMs: () => number,
): readonly DecodedLine[] {
  const decoder = new Decoder();
  const memory = new Map<string, unknown>();
  const read = ({ topic, payload }: DeviceMessage) => {
    const decoded = decoder.decode(topic, payload, { memory, presentMs });
    for (const learnt of decoded.learnt ?? []) learn(memory, learnt);
    return decoded;
  };
  for (const one of before) read(one);
  return linesOf(read(message));
}

function learn(memory: Map<string, unknown>, { key, value }: Learnt): void {
  if (value === undefined) memory.delete(key);
  else memory.set(key, value);
}

function linesOf(decoded: Decoded): readonly DecodedLine[] {
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
