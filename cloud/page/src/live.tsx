/** The one fleet of the page, fed by the stream; parts of the page are told what they look at. */
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import type { Scope, Session } from "./api-types.ts";
import type { Topic } from "./fleet.ts";
import { Fleet } from "./fleet.ts";
import { get, Problem, setCsrf } from "./http-api.ts";
import { followStream } from "./http-stream.ts";
import { everyWhileSeen, nextFrame, wallMs } from "./system-browser.ts";

const listeners = new Map<Topic, Set<() => void>>();
const waiting = new Set<Topic>();

/** Many frames of the stream are one of the screen. */
export const fleet = new Fleet((topics) => {
  if (waiting.size === 0) nextFrame(tell);
  for (const topic of topics) waiting.add(topic);
});

function tell(): void {
  const told = new Set<() => void>();
  for (const topic of waiting)
    for (const listener of listeners.get(topic) ?? []) told.add(listener);
  waiting.clear();
  for (const listener of told) listener();
}

export function listen(topics: readonly Topic[], listener: () => void): () => void {
  for (const topic of topics) {
    const own = listeners.get(topic) ?? new Set();
    listeners.set(topic, own.add(listener));
  }
  return () => {
    for (const topic of topics) listeners.get(topic)?.delete(listener);
  };
}

/** Draws the part again when one of the topics changes. */
export function useFleet(...topics: readonly Topic[]): Fleet {
  const [, redraw] = useState(0);
  const key = topics.join();
  // Before anything else may come: what changed between drawing and listening would go unseen.
  useLayoutEffect(() => listen(topics, () => redraw((count) => count + 1)), [key]);
  return fleet;
}

/** The server's time, in ms. */
export const serverNow = (): number => wallMs() + fleet.skewMs;

const clocks = new Set<() => void>();
everyWhileSeen(1_000, () => {
  for (const clock of clocks) clock();
});

/** The server's time, again every second. */
export function useNow(): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    const tick = () => setNow(serverNow());
    clocks.add(tick);
    return () => void clocks.delete(tick);
  }, []);
  return now;
}

const ranks: Readonly<Record<Scope, number>> = { read: 0, operate: 1, admin: 2 };
let session: Session | undefined;

export function currentSession(): Session | undefined {
  return session;
}

export const may = (scope: Scope): boolean => ranks[session?.scope ?? "read"] >= ranks[scope];

/** "login" where the cloud wants to know who asks. */
export type Entry = "asking" | "login" | "in";

export function useEntry(): readonly [entry: Entry, ask: () => void] {
  const [entry, setEntry] = useState<Entry>("asking");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    get<Session>("/api/session").then(
      (found) => {
        session = found;
        setCsrf(found.csrf);
        setEntry("in");
      },
      // Whatever else is wrong is told where it is asked for.
      (failure) => setEntry(failure instanceof Problem && failure.status === 401 ? "login" : "in"),
    );
  }, [turn]);
  useEffect(() => {
    if (entry !== "in") return;
    return followStream("/api/stream", {
      take: (name, data) => fleet.apply(name, data, wallMs()),
      lost: (isOver) => {
        fleet.tellLink("lost", wallMs());
        if (isOver) setTurn((count) => count + 1);
      },
    });
  }, [entry]);
  return [entry, () => setTurn((count) => count + 1)];
}
