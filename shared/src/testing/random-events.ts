/** Random events and hostile changes to JSON, for property tests; equal seeds give equal ones. */
import type { Item } from "../block-codec.ts";
import { eventSchema, qualities, spanOf, timeMsMax } from "../event.ts";
import type { Random } from "../random.ts";

/** A whole number in [0, below). */
export function integer(random: Random, below: number): number {
  return Math.floor(random.next() * below);
}

export function pick<Element>(random: Random, list: readonly Element[]): Element {
  return list[integer(random, list.length)] as Element;
}

const texts = [
  "",
  " ",
  "21.5",
  'a "quoted" \\ text',
  "line\nfeed",
  "Грузовик",
  "🚚",
  "\ud83d",
  "__proto__",
];
const metrics = [
  "temperature",
  "motor.rpm",
  "°C",
  'a"b',
  "__proto__",
  "constructor",
  "x".repeat(256),
];
const devices = ["pump-7", "freezer 1", "__proto__", 'q"uote', "ж".repeat(128)];
const numbers = [0, 1, -1, 21.5, 0.1, 1e-300, -1.7e308, 5e-324, 2 ** 53, 1e21, -273.15];
const times = [0, 1, -1, 1_700_000_000_000, timeMsMax, -timeMsMax];

function readingAt(random: Random, time: () => number) {
  const value = pick(random, [
    pick(random, numbers),
    pick(random, texts),
    random.next() < 0.5,
    null,
  ]);
  return {
    metric: pick(random, metrics),
    value,
    quality: pick(random, qualities),
    ...(random.next() < 0.3 ? { unit: pick(random, ["Cel", "%", "", "u".repeat(64)]) } : {}),
    ...(random.next() < 0.1 ? { unitOriginal: pick(random, ["°C", "", "u".repeat(64)]) } : {}),
    ...(random.next() < 0.2 ? { reason: pick(random, ["nan", "", "r".repeat(256)]) } : {}),
    ...(random.next() < 0.2 ? { observedAt: time() } : {}),
  };
}

function rollupSeriesAt(random: Random) {
  const { metric, unit, value } = readingAt(random, () => 0);
  const isNumber = typeof value === "number";
  const [min, max, mean] = isNumber ? [value, value, value] : [null, null, null];
  const windows = [[integer(random, 30_000_000), 1, 0, value, min, max, mean]];
  const time = pick(random, ["observed", "boot"]);
  const named = { device: pick(random, [null, ...devices]), metric, time, windows };
  return unit === undefined ? named : { ...named, unit };
}

function alarmAt(random: Random) {
  const { metric, unit, value } = readingAt(random, () => 0);
  const isShort = typeof value !== "string" || value.length <= 1_024;
  return {
    ...{ id: "a".repeat(24), state: pick(random, ["firing", "resolved"]), fingerprint: "f" },
    ...{ rule: "too-warm", ruleVersion: "1", severity: "warning" },
    ...{ device: pick(random, ["", ...devices]), metric: pick(random, ["", metric]) },
    ...{ at: integer(random, 1_000_000), firingAt: 0, value: isShort ? value : null },
    ...{ cause: "g/1-00000001/telemetry/1/0", reason: pick(random, ["", "too warm"]) },
    ...(unit === undefined ? {} : { unit }),
  };
}

function bodyOf(random: Random, from: number, time: () => number) {
  const to = from + integer(random, 1_000);
  const bodies = [
    { kind: "presence", online: random.next() < 0.5, reason: "r".repeat(integer(random, 65)) },
    { kind: "loss", to, reason: "not-kept", count: to - from + 1 },
    { kind: "rollup", to, windowMs: 60_000, series: [rollupSeriesAt(random)] },
    {
      kind: "quarantined",
      reason: "not-json",
      detail: pick(random, texts),
      payload: "AA==",
      bytes: 1,
    },
    { kind: "alarm", transitions: [alarmAt(random), alarmAt(random)] },
    {
      kind: "reply",
      command: "c-1",
      state: "delivered",
      final: false,
      detail: pick(random, texts),
    },
    {
      ...{ kind: "reply", command: "c_2", name: "valve", state: "done", final: true, detail: "" },
      ...{ payload: "AA==", encoding: "base64" },
    },
    { kind: "system", name: "heartbeat", detail: pick(random, texts) },
    {
      kind: "system",
      name: "started",
      detail: "",
      fields: { text: pick(random, texts), number: pick(random, numbers), yes: true, none: null },
    },
  ] as const;
  if (random.next() < 0.3) return pick(random, bodies);
  const readings = Array.from({ length: 1 + integer(random, 5) }, () => readingAt(random, time));
  return { kind: "reading", readings } as const;
}

/** Consecutive items from position `from`, as one gateway could have appended them. */
export function randomItems(random: Random, from: number, count: number): Item[] {
  const items: Item[] = [];
  const time = () => pick(random, [...times, 1_700_000_000_000 + integer(random, 1_000_000)]);
  let position = from;
  for (let index = 0; index < count; index++) {
    const event = eventSchema.parse({
      device: pick(random, [null, ...devices]),
      topic: pick(random, [null, "devices/pump-7/telemetry", ...texts]),
      bootMs: pick(random, [0, 1, timeMsMax, integer(random, 1_000_000)]),
      observedAt: random.next() < 0.3 ? null : time(),
      ...(random.next() < 0.2
        ? { tags: pick(random, [["cold"], ["cold", 'q"uote'], ["__proto__"]]) }
        : {}),
      ...(random.next() < 0.1
        ? { site: pick(random, ["hall a", "__proto__", "ж".repeat(128)]) }
        : {}),
      ...bodyOf(random, position, time),
    });
    const to = position + spanOf(event, position) - 1;
    items.push({ from: position, to, event });
    position = to + 1;
  }
  return items;
}

/** What broken or hostile programs write where something else is expected; 1e999 is Infinity. */
const hostileJson = [
  "null true false 0 -1 1 2 0.5 1e999 -1e999 9007199254740993 8640000000000001 -8640000000000001",
  '"" "x" "0" "1" "__proto__" "length" "map" "constructor" "reading" "loss" "bad" "\\u0000" "\\ud800"',
  '[] [[]] [null] {} {"to":1} {"to":0} {"to":"9"} {"q":5} {"q":[null]} {"a":[[0]]}',
  '{"toString":1,"valueOf":1} {"__proto__":[]} {"q":[["__proto__","bad",null]]} {"a":[["map",0]]}',
  `"${"a".repeat(300)}" "${"b".repeat(66_000)}" ${"[".repeat(9_000)}${"]".repeat(9_000)}`,
].flatMap((line) => line.split(" "));

type Container = Record<string | number, unknown>;

/** The JSON text of a value changed in one to three places; what was handed in stays as it is. */
export function mutatedJson(random: Random, value: unknown): string {
  const box: Container = { value: JSON.parse(JSON.stringify(value)) };
  for (let times = 1 + integer(random, 3); times > 0; times--) {
    const places: [Container, string | number][] = [];
    collectPlaces(box, places);
    change(random, ...pick(random, places));
  }
  const text = JSON.stringify(box["value"]);
  return text.replaceAll(/"@([0-9]+)@"/g, (_mark, index) => hostileJson[Number(index)] ?? "");
}

/** What is put in is only a mark here, since JSON.stringify cannot write all of the hostile texts. */
function change(random: Random, container: Container, key: string | number): void {
  const mark = `@${integer(random, hostileJson.length)}@`;
  if (Array.isArray(container) && random.next() < 0.4) {
    container.splice(Number(key), random.next() < 0.5 ? 1 : 0, mark);
  } else if (Array.isArray(container) && random.next() < 0.3) {
    container.splice(Number(key), 1);
  } else if (key !== "value" && random.next() < 0.3) {
    if (random.next() < 0.5) delete container[key];
    else container["unknown"] = mark;
  } else {
    container[key] = mark;
  }
}

function collectPlaces(container: Container, places: [Container, string | number][]): void {
  for (const [key, member] of Object.entries(container)) {
    places.push([container, Array.isArray(container) ? Number(key) : key]);
    if (typeof member === "object" && member !== null) collectPlaces(member as Container, places);
  }
}

/** Changes some bytes, cuts, doubles or inserts stretches. */
export function mutatedBytes(
  random: Random,
  bytes: Uint8Array,
  words: readonly string[],
): Uint8Array {
  let changed = Buffer.from(bytes);
  for (let times = 1 + integer(random, 4); times > 0; times--) {
    const at = integer(random, changed.length + 1);
    const end = at + integer(random, 8);
    const inserted = pick(random, [
      Buffer.from(pick(random, words)),
      Buffer.from([integer(random, 256)]),
      changed.subarray(integer(random, changed.length + 1), end),
      Buffer.alloc(0),
    ]);
    const rest = changed.subarray(random.next() < 0.5 ? at : end);
    changed = Buffer.concat([changed.subarray(0, at), inserted, rest]);
  }
  return changed;
}
