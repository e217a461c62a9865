/** What must be so of all alert transitions in the order in which they were decided. */
export interface Transition {
  readonly id: string;
  readonly state: string;
  readonly rule: string;
  readonly fingerprint: string;
  /** Id of the reading that caused it. */
  readonly cause: string;
}

export interface AlertCourse {
  /** Decided twice: under one id, or under two by one reading. */
  readonly repeated: number;
  /** That fire what fires already, or resolve what does not fire or is another alert. */
  readonly torn: number;
}

export function alertCourse(transitions: readonly Transition[]): AlertCourse {
  const seen = new Set<string>();
  const open = new Map<string, string>();
  let [repeated, torn] = [0, 0];
  for (const { id, state, fingerprint, cause } of transitions) {
    const names = [`${id} ${state}`, `${fingerprint} ${state} ${cause}`];
    if (names.some((name) => seen.has(name))) repeated++;
    for (const name of names) seen.add(name);
    const isTurn = open.get(fingerprint) === (state === "firing" ? undefined : id);
    if (!isTurn) torn++;
    if (state === "firing") open.set(fingerprint, id);
    else open.delete(fingerprint);
  }
  return { repeated, torn };
}
