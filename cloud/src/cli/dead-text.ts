/** Dead letters in lines for people. */
import type { Event } from "@causeway/shared/event.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { DeadLetter } from "../dead/dead-letter.ts";
import type { SettledLetters } from "../dead/letter-pages.ts";
import type { GatewayGroup, RedriveOutcome, Trial } from "../dead/nats-dead-desk.ts";

const payloadShownMax = 200;

export function groupText(group: GatewayGroup): string {
  const { id, gateway, kind, reason, detail, topic, count, counted, lastAt } = group;
  const when = new Date(lastAt).toISOString();
  const only = counted === 0 ? "" : ` and ${counted} only counted`;
  const where = topic === null ? "" : ` on ${topic}`;
  return `${id}  ${gateway}  ${kind}  ${count}${only}  ${when}  ${reason}${where}: ${detail}`;
}

export function letterText(letter: DeadLetter): string {
  const { id, receivedAt, device, topic, reason, detail, payload, bytes, tries, sequence } = letter;
  const bytesShown = Buffer.from(payload, "base64").toString("utf8").slice(0, payloadShownMax);
  return [
    `${id}  ${new Date(receivedAt).toISOString()}  ${device ?? "-"}  ${topic ?? "-"}`,
    `  ${reason}: ${detail}`,
    `  ${bytes} bytes: ${shown(bytesShown)}`,
    `  journal ${sequence}${tries === 0 ? "" : `, tried ${tries} times`}`,
    ...Object.entries(letter.headers ?? {}).map(([name, value]) => `  ${name}: ${value}`),
  ].join("\n");
}

export function trialText({ letter, becomes }: Trial): string {
  if (becomes.kind === "refused")
    return `${letter.id}  stays: ${becomes.reason}: ${becomes.detail}`;
  if (becomes.kind === "discard") return `${letter.id}  dropped by its route: ${becomes.why}`;
  return [`${letter.id}  ${becomes.kind}`, ...becomes.events.flatMap(eventLines)].join("\n");
}

function eventLines({ device, ...event }: Event): readonly string[] {
  if (event.kind !== "reading") return [`  ${device ?? "-"}  ${event.kind}`];
  return event.readings.map(({ metric, value, unit = "" }) => {
    return `  ${device ?? "-"}  ${metric} = ${value} ${unit}`.trimEnd();
  });
}

export function outcomeText({ tried, redriven, readings, discarded, refused }: RedriveOutcome) {
  const dropped = discarded === 0 ? "" : `, ${discarded} dropped by their route`;
  const stay = Object.entries(refused).map(([reason, count]) => `${count} ${reason}`);
  const left = stay.length === 0 ? "" : `; these stay open: ${stay.join(", ")}`;
  return `${redriven} of ${tried} redriven, ${readings} readings${dropped}${left}`;
}

const settledWords = { redrive: "redriven", judge: "judged again", discard: "discarded" } as const;

export function settledLines(settled: SettledLetters, asJson: boolean): readonly string[] {
  const { by, at, letters } = settled;
  const when = new Date(at).toISOString();
  return letters.map(([id, group, what, why]) => {
    const line = { id, group, what: settledWords[what], why, by, with: settled.with, at };
    if (asJson) return JSON.stringify(line);
    const how = what === "redrive" ? ` with ${settled.with}` : "";
    return `${when}  ${id}  ${line.what}${how} by ${by}${why === "" ? "" : `: ${why}`}`;
  });
}
