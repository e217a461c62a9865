/** What a part of the page asks the API for: now, again every so often, and when told to. */
import { useEffect, useState } from "preact/hooks";
import { get, Problem, problemText } from "./http-api.ts";
import { everyWhileSeen } from "./system-browser.ts";

export interface Data<Answer> {
  /** The last answer; it stays where the next one fails. */
  readonly answer: Answer | undefined;
  readonly fault: string | undefined;
  /** Of the fault; 0 where nobody answered. */
  readonly status: number | undefined;
  readonly reload: () => void;
}

interface Held<Answer> {
  readonly path: string;
  readonly answer?: Answer;
  readonly fault?: string;
  readonly status?: number;
}

/** `path` undefined: nothing is asked for. `periodMs` 0: once. Another `version`: at once. */
export function useData<Answer>(
  path: string | undefined,
  periodMs: number,
  version = 0,
): Data<Answer> {
  const [held, setHeld] = useState<Held<Answer>>({ path: "" });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === undefined) return;
    const ended = new AbortController();
    // One at a time: an older answer must not come after a newer one.
    let isAsking = false;
    const ask = () => {
      if (isAsking) return;
      isAsking = true;
      void answered().finally(() => {
        isAsking = false;
      });
    };
    const answered = () =>
      get<Answer>(path, ended.signal).then(
        (answer) =>
          setHeld((before) =>
            before.answer === answer && before.fault === undefined ? before : { path, answer },
          ),
        (failure) => {
          if (ended.signal.aborted) return;
          const status = failure instanceof Problem ? failure.status : 0;
          const fault = problemText(failure);
          setHeld((before) =>
            before.path === path ? { ...before, fault, status } : { path, fault, status },
          );
        },
      );
    ask();
    const cancel = periodMs > 0 ? everyWhileSeen(periodMs, ask) : () => {};
    return () => {
      ended.abort();
      cancel();
    };
  }, [path, periodMs, turn, version]);
  const isOwn = held.path === path;
  return {
    answer: isOwn ? held.answer : undefined,
    fault: isOwn ? held.fault : undefined,
    status: isOwn ? held.status : undefined,
    reload: () => setTurn((count) => count + 1),
  };
}
