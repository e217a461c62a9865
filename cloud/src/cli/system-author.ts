/** Who gives a command at this machine. */
import { hostname, userInfo } from "node:os";

/** In a container the user may have a number alone. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `${process.getuid?.() ?? "unknown"}`;
  }
}

/** Who sits at this machine, where no one else is named. */
export function author(given: string | undefined): string {
  return given ?? `${userName()}@${hostname()}`;
}
