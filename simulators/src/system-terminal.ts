/** The live line of a run, on stderr where that is a terminal. */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";

const repaintMs = 250;
const eraseLine = "\r\u001b[2K";

export interface Terminal {
  /** A line that stays. */
  say(text: string): void;
  /** Ends the live line. */
  stop(): void;
}

/** `live` makes the line for a terminal of so many columns; undefined: no live line is wanted. */
export function openTerminal(
  clock: Clock,
  live: ((columns: number) => string) | undefined,
): Terminal {
  const { stderr } = process;
  if (live === undefined || !stderr.isTTY) {
    return { say: (text) => void stderr.write(`${text}\n`), stop: () => {} };
  }
  let cancel: Cancel = () => {};
  const paint = () => {
    stderr.write(eraseLine + live(stderr.columns));
    cancel = clock.after(repaintMs, paint);
  };
  cancel = clock.after(repaintMs, paint);
  return {
    say: (text) => void stderr.write(`${eraseLine}${text}\n`),
    stop() {
      cancel();
      stderr.write(eraseLine);
    },
  };
}
