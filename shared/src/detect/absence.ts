/**
 * A series that has fallen silent.
 *
 *     │ │ │ │ │ │                   ╷ the next reading ends it
 *                 ╰─── after ───╯ anomalous, at the first tick beyond
 *
 * Silence is counted from the moment the gateway had the last reading: a device's clock that is
 * wrong must not look like silence. `after` is a time. State: none; the moment is the series' own.
 * Source: heartbeat monitoring as in Prometheus `absent_over_time`.
 */
import { durationSchema } from "../rules/duration.ts";
import type { Detector } from "./detector.ts";
import { inWords, normal } from "./detector.ts";
import { scoreOf } from "./learner.ts";

export const absenceParameters = {
  after: durationSchema.refine((ms) => ms > 0, "more than 0s"),
};

export interface AbsenceSettings {
  readonly after: number;
}

export function absenceDetector({ after }: AbsenceSettings): Detector<0> {
  return {
    initial: () => 0,
    observe: () => normal,
    tick(silentMs) {
      if (silentMs <= after) return normal;
      const reason = `nothing for ${inWords(silentMs / 60_000)} min; at most ${inWords(after / 60_000)} are usual`;
      return { kind: "anomalous", score: scoreOf(silentMs, after), reason };
    },
    encode: () => 0,
    decode: (json) => (json === 0 ? 0 : undefined),
  };
}
