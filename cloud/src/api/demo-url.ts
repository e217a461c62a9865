import { isLoopback } from "@causeway/shared/loopback.ts";

/** Where the switch of the demo is: this process asks it, so it may be nowhere but here. */
export function isDemoUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "http:" && isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"));
}
