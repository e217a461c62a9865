/** `causeway-edge inspect` and `devices`: what comes in, asked of the running gateway. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import type { Look } from "../inspect/inspect-text.ts";
import { devicesText, lineText, messageText, topicsText } from "../inspect/inspect-text.ts";
import type { Inspected, InspectLine } from "../inspect/inspected.ts";
import { printable } from "../inspect/printable.ts";
import type { DeviceList, TopicList } from "../inspect/views.ts";
import type { Question } from "./http-question.ts";
import { asked } from "./http-question.ts";

export interface InspectParts {
  readonly question: Question;
  readonly clock: Clock;
  readonly look: Look;
  /** Resolves once the text has left, or nobody reads any more. */
  readonly write: (text: string) => Promise<void>;
  /** For people, beside what is printed. */
  readonly warn: (text: string) => void;
  /** Aborted by Ctrl-C, and where nobody reads what is printed any more. */
  readonly signal: AbortSignal;
}

export interface InspectWish {
  readonly topic: string | undefined;
  readonly device: string | undefined;
  readonly refused: boolean;
}

/** The gateway says something every 15 s. */
const silenceMs = 45_000;
const redialMs = 1_000;
const listedMax = 5_000;

/** Until the signal is aborted; a gateway that restarts is found again. Throws GATEWAY_UNREACHABLE. */
export async function inspectLive(parts: InspectParts, wish: InspectWish): Promise<number> {
  const { clock, signal, warn } = parts;
  let [wasThere, isTold] = [false, false];
  while (!signal.aborted) {
    try {
      await follow(parts, wish, () => {
        wasThere = true;
        isTold = false;
      });
    } catch (failure) {
      if (!wasThere && !signal.aborted) throw failure;
    }
    if (signal.aborted) break;
    if (!isTold) warn("the gateway is away: waiting for it\n");
    isTold = true;
    await sleep(clock, redialMs, signal);
  }
  return exitCodes.good;
}

/** Until the gateway ends it, or is silent. */
async function follow(parts: InspectParts, wish: InspectWish, begun: () => void): Promise<void> {
  const { question, clock } = parts;
  const silence = new AbortController();
  const signal = AbortSignal.any([parts.signal, silence.signal]);
  const listen = () => clock.after(silenceMs, () => silence.abort());
  let heard = listen();
  try {
    const path = pathOf("/api/inspect", { ...wish });
    const body = await asked(question, path, clock, async (response) => response.body, signal);
    begun();
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of body ?? []) {
      heard();
      heard = listen();
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      await parts.write(textOf(lines, parts));
    }
  } finally {
    heard();
  }
}

function textOf(lines: readonly string[], { question, look }: InspectParts): string {
  return lines
    .filter((line) => line !== "")
    .map((line) => {
      const told = JSON.parse(line) as InspectLine;
      if (!question.json) return lineText(told, look);
      // A greeting is for people.
      return told.kind === "hello" ? "" : `${printable(line)}\n`;
    })
    .join("");
}

/** What the gateway remembers of each topic; 1 where some of it was refused. */
export async function inspectOnce(parts: InspectParts, wish: InspectWish): Promise<number> {
  const query = { ...wish, last: true };
  const { topics, total } = await listed<TopicList>(parts, "/api/topics", query);
  const messages = topics.flatMap(({ last, lastRefused }) => [
    ...(last === undefined || wish.refused ? [] : [last]),
    ...(lastRefused === undefined ? [] : [lastRefused]),
  ]);
  const inOrder = messages.sort((one, other) => (one.receivedAt ?? 0) - (other.receivedAt ?? 0));
  const { question, look, write } = parts;
  const text = inOrder.map((message) =>
    question.json ? `${printable(JSON.stringify(message))}\n` : messageText(message, look),
  );
  await write(text.join(""));
  const more = total - topics.length;
  if (more > 0) parts.warn(`${more} more topics are not shown: ask for some by --topic\n`);
  return inOrder.some(isRefused) ? exitCodes.finding : exitCodes.good;
}

function isRefused({ reason }: Inspected): boolean {
  return reason !== undefined;
}

/** A route for a topic, from what came on it last; 1 where nothing came, or nothing can be suggested. */
export async function suggestRoute(parts: InspectParts, topic: string): Promise<number> {
  const { topics } = await listed<TopicList>(parts, "/api/topics", { topic, last: true });
  const view = topics.find((each) => each.topic === topic);
  const seen = [view?.lastRefused, view?.last].filter((message) => message !== undefined);
  const whole = seen.filter(({ cut }) => cut !== true);
  const { warn, write, question } = parts;
  const { suggest } = await import("@causeway/shared/mapping/suggest.ts");
  const route = whole.length === 0 ? undefined : suggest(topic, whole.map(payloadOf));
  if (route === undefined) {
    const why =
      view === undefined
        ? `nothing has come on ${topic}: let the device publish, then ask again`
        : whole.length === 0
          ? "its payloads are too large to be kept here"
          : "its payload says nothing that a route could name";
    warn(`${printable(why)}\n`);
    return exitCodes.finding;
  }
  await write(question.json ? `${printable(JSON.stringify({ topic, route }))}\n` : route);
  return exitCodes.good;
}

function payloadOf({ raw, encoding }: Inspected): Uint8Array {
  return Buffer.from(raw, encoding);
}

export async function inspectTopics(parts: InspectParts, wish: InspectWish): Promise<number> {
  const list = await listed<TopicList>(parts, "/api/topics", { ...wish });
  const { question, look, write } = parts;
  const lines = list.topics.map((topic) => `${printable(JSON.stringify(topic))}\n`);
  await write(question.json ? lines.join("") : topicsText(list, look));
  return exitCodes.good;
}

export async function listDevices(
  parts: InspectParts,
  device: string | undefined,
): Promise<number> {
  const list = await listed<DeviceList>(parts, "/api/devices", { device });
  const { question, look, write } = parts;
  const lines = list.devices.map((each) => `${printable(JSON.stringify(each))}\n`);
  await write(question.json ? lines.join("") : devicesText(list, look));
  return exitCodes.good;
}

type Query = Readonly<Record<string, string | boolean | undefined>>;

function listed<List>({ question, clock }: InspectParts, path: string, query: Query) {
  const whole = pathOf(path, { ...query, limit: `${listedMax}` });
  return asked(question, whole, clock, async (response) => (await response.json()) as List);
}

function pathOf(path: string, query: Query): string {
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || value === false) return [];
    return [[name, value === true ? "1" : value]];
  });
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
