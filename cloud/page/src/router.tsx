/**
 * Where one is: `#/devices/plant-1/press%203?metric=temperature`. The hash needs nothing of the
 * server, and what is behind it never reaches a log.
 */
import { useLayoutEffect, useState } from "preact/hooks";

export interface Route {
  /** Decoded; the first one names the page. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return {
    parts: path.split("/").filter(Boolean).map(decoded),
    query: new URLSearchParams(query),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `link("devices", gateway, device)`. */
export function link(...parts: readonly string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useLayoutEffect(() => {
    const changed = () => setRoute(parseRoute(location.hash));
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return route;
}

/** Changes the query alone, without a step in the history. */
export function replaceQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const [path = "#/", query = ""] = location.hash.split("?", 2);
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  history.replaceState(null, "", text === "" ? path : `${path}?${text}`);
  dispatchEvent(new HashChangeEvent("hashchange"));
}
