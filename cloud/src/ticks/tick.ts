/**
 * A tick is a message on `clk` of the journal, and the only clock of rules: time and rule changes
 * happen at its place in the journal, so a replay decides the same.
 *
 *   {"v": 1, "n": number, "at": ms since 1970, "rules": name of the rule set, "revision": n}
 *
 *   K1  Each tick's number is its predecessor's plus one; its time is never less, even where the
 *       machine's clock was put back.
 *   K2  A tick names the rules of its predecessor, unless a process has others to announce; then
 *       the revision grows by one.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { z } from "zod";

export interface Tick {
  readonly n: number;
  readonly at: number;
  readonly rules: string;
  /** Grows each time that rules are announced. */
  readonly revision: number;
}

const tickSchema = z.object({
  v: z.literal(1),
  n: z.int().min(1),
  at: z.number().min(0),
  rules: z.string().min(1).max(64),
  revision: z.int().min(0),
});

export function encodeTick({ n, at, rules, revision }: Tick): string {
  return JSON.stringify({ v: 1, n, at, rules, revision });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeTick(data: Uint8Array): Tick {
  const text = Buffer.from(data).toString("utf8");
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new CodedError("BATCH_MALFORMED", "a tick that is no JSON", { cause });
  }
  const checked = tickSchema.safeParse(parsed);
  if (checked.success) {
    const { n, at, rules, revision } = checked.data;
    return { n, at, rules, revision };
  }
  const where = checked.error.issues[0]?.path.join(".");
  const code = where === "v" ? "BATCH_VERSION_UNKNOWN" : "BATCH_MALFORMED";
  throw new CodedError(code, `a tick whose ${where} cannot be read: ${text.slice(0, 80)}`);
}

/** K1, K2. `announced` are rules that the journal does not know of yet. */
export function nextTick(
  last: Tick | undefined,
  wallMs: number,
  rules: string,
  announced: boolean,
): Tick {
  const revision = last?.revision ?? 0;
  return {
    n: (last?.n ?? 0) + 1,
    at: Math.max(last?.at ?? 0, wallMs),
    rules: announced ? rules : (last?.rules ?? rules),
    revision: announced ? revision + 1 : revision,
  };
}

/** What a commit knows of the newest tick that it has seen. */
export interface SeenTick {
  readonly n: number;
  readonly at: number;
  /** From this tick's time on they came without a gap, in ms; undefined where it is not known. */
  readonly steadySince?: number | undefined;
}

/** `tick` as the newest one; ticks further apart than `gapMs` are not without a gap. */
export function seenAfter(seen: SeenTick | undefined, tick: SeenTick, gapMs: number): SeenTick {
  const isSteady = seen !== undefined && tick.at - seen.at <= gapMs;
  const steadySince = (isSteady ? seen.steadySince : undefined) ?? tick.at;
  return { n: tick.n, at: tick.at, steadySince };
}

/**
 * By number or by time: numbers repeat after a rollback of the journal, but time goes on; time
 * stands still while a machine's clock is behind, but numbers go on.
 */
export function isAfter(tick: SeenTick, seen: SeenTick | undefined): boolean {
  return seen === undefined || tick.n > seen.n || tick.at > seen.at;
}
