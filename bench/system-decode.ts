/** Times the adapters on one core. */
import type { DecodeResult, DecodeSubject } from "./decode.ts";
import { decodeSubjects, decodeTable } from "./decode.ts";
import { median } from "./intake.ts";

export interface DecodeBench {
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

const rounds = 9;
const warmUpRounds = 3;
const messagesEach = 20_000;

export function benchDecode({ print, asJson }: DecodeBench): void {
  const runs = decodeSubjects().map((subject) => ({ subject, seconds: [] as number[] }));
  for (let round = 0; round < rounds + warmUpRounds; round++) {
    for (const { subject, seconds } of runs) {
      const took = secondsFor(subject);
      if (round >= warmUpRounds) seconds.push(took);
    }
  }
  const results = runs.map(({ subject, seconds }): DecodeResult => {
    const messagesPerSecond = messagesEach / (median(seconds) ?? Number.NaN);
    const readingsPerSecond = messagesPerSecond * subject.readings;
    return { subject: subject.name, messagesPerSecond, readingsPerSecond };
  });
  if (asJson) for (const result of results) print(JSON.stringify(result));
  else print(decodeTable(results));
}

function secondsFor({ run }: DecodeSubject): number {
  const begin = process.cpuUsage();
  run(messagesEach);
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1e6;
}
