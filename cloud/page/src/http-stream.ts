/**
 * Follows /api/stream. The browser comes back by itself with the id of what it has; where it gives
 * up, as after an answer that is no stream, this comes back.
 */
import type { StreamEvents } from "./api-types.ts";
import type { Cancel } from "./system-browser.ts";
import { after } from "./system-browser.ts";

const reopenMs = 3_000;
const names: { readonly [Name in keyof StreamEvents]: true } = {
  hello: true,
  counters: true,
  gateways: true,
  alerts: true,
  alert: true,
  silences: true,
  latest: true,
};

export interface StreamTaker {
  take<Name extends keyof StreamEvents>(name: Name, data: StreamEvents[Name]): void;
  /** `isOver`: the browser does not try again by itself. */
  lost(isOver: boolean): void;
}

export function followStream(path: string, taker: StreamTaker): Cancel {
  let cancelReopen: Cancel | undefined;
  let source: EventSource | undefined;
  const open = () => {
    const opened = new EventSource(path);
    source = opened;
    for (const name of Object.keys(names) as (keyof StreamEvents)[]) {
      opened.addEventListener(name, (event) => taker.take(name, JSON.parse(event.data)));
    }
    opened.onerror = () => {
      const isOver = opened.readyState === EventSource.CLOSED;
      taker.lost(isOver);
      if (isOver) cancelReopen = after(reopenMs, open);
    };
  };
  open();
  return () => {
    cancelReopen?.();
    source?.close();
  };
}
