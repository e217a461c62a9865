/** What a checkpoint remembers of starts of the engine that came to nothing (alone.ts has the rules). */

/** C1. */
const startsMax = 3;
/** C2. */
export const triesMax = 3;
/** Of either list; the oldest go first. */
const listedMax = 100;

export interface Trial {
  readonly starts: number;
  /** What was begun alone, how often, and was not got over; the newest last. */
  readonly tried: readonly Tried[];
  /** C4, each with its message. */
  readonly dead: readonly (readonly [sequence: number, id: string])[];
}

interface Tried {
  /** Of a message, and in it. */
  readonly sequence: number;
  readonly position: number;
  readonly tries: number;
}

type Place = Pick<Tried, "sequence" | "position">;

export const noTrial: Trial = { starts: 0, tried: [], dead: [] };

export function isSuspected({ starts }: Trial): boolean {
  return starts >= startsMax;
}

/** C1, C3: what the same process was at, it was not ended by. */
export function trialAtStart(trial: Trial, isSameProcess: boolean): Trial {
  if (!isSameProcess) return { ...trial, starts: trial.starts + 1 };
  const last = trial.tried.at(-1);
  if (last === undefined) return trial;
  return { ...trial, tried: [...trial.tried.slice(0, -1), { ...last, tries: last.tries - 1 }] };
}

/** Behind a whole commit; `snapshot` is the place that reading begins from. */
export function trialAfter(trial: Trial, isProgress: boolean, snapshot: number): Trial {
  const dead = trial.dead.filter(([sequence]) => sequence > snapshot);
  const starts = isProgress && !isSuspected(trial) ? 0 : trial.starts;
  const isSame = dead.length === trial.dead.length && starts === trial.starts;
  return isSame ? trial : { ...trial, starts, dead };
}

export function triesOf({ tried }: Trial, { sequence, position }: Place): number {
  const found = tried.find((one) => one.sequence === sequence && one.position === position);
  return found?.tries ?? 0;
}

/** C1: it is tried once more, and judged no more where it is dead. */
export function trying(trial: Trial, place: Place, dead: readonly string[]): Trial {
  const tries = triesOf(trial, place) + 1;
  const ids = dead.map((id) => [place.sequence, id] as const);
  return {
    starts: trial.starts,
    tried: [...gotOver(trial, place).tried, { ...place, tries }].slice(-listedMax),
    dead: [...trial.dead, ...ids].slice(-listedMax),
  };
}

export function gotOver(trial: Trial, { sequence, position }: Place): Trial {
  const isOther = (one: Tried) => one.sequence !== sequence || one.position !== position;
  return { ...trial, tried: trial.tried.filter(isOther) };
}

/** As a checkpoint has it; undefined while there is nothing to say. */
export function trialRow({ starts, tried, dead }: Trial): unknown[] | undefined {
  if (starts === 0 && tried.length + dead.length === 0) return undefined;
  return [starts, tried.map((one) => [one.sequence, one.position, one.tries]), dead];
}

/** What cannot be read is nothing. */
export function trialOf(row: unknown): Trial {
  const [starts, tried, dead] = listIn(row);
  return {
    starts: typeof starts === "number" ? starts : 0,
    tried: listIn(tried).flatMap((one) => {
      const [sequence, position, tries] = listIn(one);
      const isOne = typeof sequence === "number" && typeof position === "number";
      return isOne && typeof tries === "number" ? [{ sequence, position, tries }] : [];
    }),
    dead: listIn(dead).flatMap((one) => {
      const [sequence, id] = listIn(one);
      return typeof sequence === "number" && typeof id === "string"
        ? [[sequence, id] as const]
        : [];
    }),
  };
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
