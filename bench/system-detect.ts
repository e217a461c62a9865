/**
 * Times every detector over a thousand interleaved series, as the engine's loop has them: in turn,
 * round after round, so that a busy machine slows all alike; medians over the rounds.
 */
import { gaussian, seededRandom } from "@causeway/shared/random.ts";
import type { Measured, Subject } from "./detect.ts";
import { storedCharacters, subjects, table } from "./detect.ts";
import { median } from "./intake.ts";

export interface DetectBench {
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

const seriesCount = 1_000;
const readingsEach = 200;
const rounds = 15;
const minuteMs = 60_000;

export function benchDetect({ print, asJson }: DetectBench): void {
  const random = seededRandom("bench");
  const values = Array.from({ length: 4_096 }, () => 50 + gaussian(random));
  const runs = subjects().map((subject) => ({ subject, round: rounder(subject, values) }));
  const times = new Map<string, number[]>(runs.map(({ subject }) => [subject.name, []]));
  for (let turn = 0; turn < rounds; turn++) {
    for (const { subject, round } of runs) times.get(subject.name)?.push(round());
  }
  const results = runs.map(({ subject: { name, detector } }): Measured => {
    // The first rounds warm up: the code, and the detectors.
    const nanoseconds = median(times.get(name)?.slice(3) ?? []) ?? 0;
    return { detector: name, nanoseconds, storedCharacters: storedCharacters(detector, values) };
  });
  if (asJson) for (const result of results) print(JSON.stringify(result));
  else print(table(results));
}

/** Each call goes on where the last one ended; answers with the nanoseconds for one reading. */
function rounder({ detector }: Subject, values: readonly number[]): () => number {
  const states = Array.from({ length: seriesCount }, () => detector.initial());
  let reading = 0;
  return () => {
    const begin = process.hrtime.bigint();
    for (const until = reading + readingsEach; reading < until; reading++) {
      const timeMs = reading * minuteMs;
      for (let at = 0; at < seriesCount; at++) {
        detector.observe(states[at], values[(reading * 7 + at) % values.length] ?? 0, timeMs);
      }
    }
    return Number(process.hrtime.bigint() - begin) / (readingsEach * seriesCount);
  };
}
