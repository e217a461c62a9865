/** Whether a `Host` header names this machine. */
import { isLoopback } from "./loopback.ts";

/**
 * A page of a stranger can point its own name at 127.0.0.1 and would then be let in without a token
 * (DNS rebinding); its name in `Host` gives it away. Programs that send none are admitted.
 */
export function isLocalName(host: string | undefined): boolean {
  if (host === undefined) return true;
  const name = host.replace(/:[0-9]*$/, "").replace(/^\[(.*)\]$/, "$1");
  return isLoopback(name.toLowerCase()) || name.toLowerCase().endsWith(".localhost");
}
