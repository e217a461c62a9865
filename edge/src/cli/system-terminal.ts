/** Where a command prints: how wide and colourful it may be, and whether anybody reads. */
import { endOrder } from "@causeway/shared/system-process.ts";
import type { Look } from "../inspect/inspect-text.ts";

export interface Terminal {
  readonly look: Look;
  /** Resolves once the text has left, or nobody reads any more. */
  readonly write: (text: string) => Promise<void>;
  readonly warn: (text: string) => void;
  /** Aborted by Ctrl-C or SIGTERM, and where nobody reads any more. */
  readonly signal: AbortSignal;
}

/** For a pipe: whoever wants all of it asks for JSON. */
const columnsElsewhere = 200;

export function terminal(): Terminal {
  const { stdout, stderr, env } = process;
  const left = new AbortController();
  // As `head` does once it has what it wanted.
  stdout.on("error", () => left.abort());
  stderr.on("error", () => {});
  const colours = stdout.isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  return {
    look: { columns: stdout.columns ?? columnsElsewhere, colours },
    write: (text) => new Promise((resolve) => stdout.write(text, () => resolve())),
    warn: (text) => void stderr.write(text),
    signal: AbortSignal.any([endOrder(false), left.signal]),
  };
}
