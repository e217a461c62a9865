/**
 * How many messages and readings a second one core decodes, as the gateway's intake does: a native
 * payload by its shape, every other by its adapter. In turn, round after round, so that a busy machine
 * slows all alike; medians over the rounds.
 */
import { Decoder } from "@causeway/shared/decode/decode.ts";
import { Shapes } from "@causeway/shared/decode/shapes.ts";
import { sparkplugBytes } from "@causeway/shared/decode/sparkplug-payload.ts";
import { compileRoutes, routesSchema } from "@causeway/shared/mapping/routes.ts";

export interface DecodeSubject {
  readonly name: string;
  readonly readings: number;
  /** Decodes so many messages. */
  readonly run: (messages: number) => void;
}

export interface DecodeResult {
  readonly subject: string;
  readonly messagesPerSecond: number;
  readonly readingsPerSecond: number;
}

const time = 1_714_536_000_000;
const sparkplugMetrics = 10;

const texts: readonly (readonly [name: string, topic: string, payload: (at: number) => string])[] =
  [
    [
      "tasmota SENSOR",
      "tele/pump/SENSOR",
      (at) =>
        `{"Time":"2024-05-01T06:00:00","BME280":{"Temperature":${at / 10},` +
        `"Humidity":66.6,"Pressure":988.6},"TempUnit":"C"}`,
    ],
    [
      "zigbee2mqtt",
      "zigbee2mqtt/hall",
      (at) => `{"state":"ON","brightness":${at % 255},"linkquality":118,"temperature":21.5}`,
    ],
    [
      "shelly status",
      "shelly1pm-0123456789ab/status/switch:0",
      (at) => `{"id":0,"output":true,"apower":${at},"voltage":239.7}`,
    ],
    [
      "senml",
      "senml/x",
      (at) => `[{"bn":"urn:dev:1","bt":1320067464,"u":"Cel","v":${at}},{"u":"%RH","v":20}]`,
    ],
    ["plain", "homie/boat/engine/temperature", (at) => `${at / 10}`],
  ];

const tlv =
  "raw.walk(i, u8(raw, i + 1) == 0x67 ? 4 : 3).map(r, u8(r, 1) == 0x67 ? " +
  'reading("t", i16le(r, 2) / 10, "Cel") : reading("h", u8(r, 2) / 2, "%RH"))';

const routes = compileRoutes({
  routes: routesSchema.parse([
    { topic: "plant/{line}/{device}/{metric}", scale: 0.1, unit: { temp: "Cel" } },
    { topic: "w/{device}", mapping: { t: "payload.t / 10", h: "payload.h", ok: "payload.s == 0" } },
    { topic: "lora/{device}/up", mapping: tlv },
    { topic: "devices/+/telemetry", drop: ["seq"], idempotencyKey: "seq" },
  ]),
});

const routed: readonly (readonly [
  name: string,
  topic: string,
  payload: (at: number) => string | Buffer,
])[] = [
  ["route: levels", "plant/l1/d1/temp", (at) => `${at}`],
  ["route: JSON by CEL", "w/d1", (at) => `{"t":${at},"h":50,"s":0}`],
  ["route: frame by CEL", "lora/d1/up", (at) => Buffer.from([3, 0x67, at & 255, 0, 4, 0x68, 108])],
  ["route: our own", "devices/d/telemetry", (at) => `{"seq":${at},"a":1.5,"b":2,"c":true}`],
  ["no route", "zigbee2mqtt/hall", (at) => `{"state":"ON","brightness":${at % 255}}`],
];

/** Payloads are made before the clock runs; a few hundred, so that no two in a row are equal. */
const variants = 512;

export function decodeSubjects(): readonly DecodeSubject[] {
  return [
    native(),
    sparkplug(),
    ...texts.map(([name, topic, payload]) => adapter(name, topic, payload)),
    ...routed.map(([name, topic, payload]) => {
      return adapter(name, topic, payload, new Decoder(routes));
    }),
  ];
}

function native(): DecodeSubject {
  const topic = "devices/pump-7/telemetry";
  const payloads = made(
    (at) =>
      `{"ts":${time + at},"rpm":${1_400 + at},"temperature":${at / 10},"pressure":2.5,"ok":true,"load":0.7}`,
  );
  const [shapes, decoder] = [new Shapes(), new Decoder()];
  const run = (messages: number) => {
    for (let at = 0; at < messages; at++) {
      const payload = payloads[at % variants] as Buffer;
      if (shapes.read(topic, payload) !== undefined) continue;
      const decoded = decoder.decode(topic, payload, nothing);
      if (decoded.kind === "readings") shapes.missed(topic, decoded.device, payload);
    }
  };
  return { name: "native JSON", readings: 5, run };
}

const nothing = { memory: new Map<string, unknown>(), presentMs: () => undefined };

function adapter(
  name: string,
  topic: string,
  payload: (at: number) => string | Buffer,
  decoder = new Decoder(),
): DecodeSubject {
  const payloads = made(payload);
  const first = decoder.decode(topic, payloads[0] as Buffer, nothing);
  const readings = first.kind === "readings" ? first.readings.length : 0;
  const run = (messages: number) => {
    for (let at = 0; at < messages; at++) {
      decoder.decode(topic, payloads[at % variants] as Buffer, nothing);
    }
  };
  return { name, readings, run };
}

/** Ten metrics by their aliases, which the birth before told. */
function sparkplug(): DecodeSubject {
  const memory = new Map<string, unknown>();
  const decoder = new Decoder();
  const context = { memory, presentMs: () => undefined };
  const learn = (topic: string, payload: Uint8Array) => {
    const decoded = decoder.decode(topic, payload, context);
    for (const { key, value } of decoded.learnt ?? []) memory.set(key, value);
  };
  const metrics = Array.from({ length: sparkplugMetrics }, (_, at) => ({
    alias: at,
    datatype: 10,
  }));
  const birth = metrics.map((metric) => ({
    ...metric,
    name: `Inputs/Level ${metric.alias}`,
    doubleValue: 1,
    timestamp: time,
  }));
  learn("spBv1.0/g/NBIRTH/n", sparkplugBytes({ timestamp: time, seq: 0, metrics: birth }));
  const payloads = Array.from({ length: 256 }, (_, at) =>
    sparkplugBytes({
      timestamp: time + at,
      seq: at,
      metrics: metrics.map((metric) => ({ ...metric, timestamp: time + at, doubleValue: at / 10 })),
    }),
  );
  let seq = 0;
  const run = (messages: number) => {
    for (let at = 0; at < messages; at++) {
      seq = (seq + 1) % payloads.length;
      learn("spBv1.0/g/NDATA/n", payloads[seq] as Uint8Array);
    }
  };
  return { name: "sparkplug NDATA", readings: sparkplugMetrics, run };
}

function made(payload: (at: number) => string | Buffer): readonly Buffer[] {
  return Array.from({ length: variants }, (_, at) => Buffer.from(payload(at) as string));
}

export function decodeTable(results: readonly DecodeResult[]): string {
  const thousands = (value: number) => `${Math.round(value / 1_000)} k`.padStart(10);
  const head = `${"one core".padEnd(20)}${"messages/s".padStart(10)}${"readings/s".padStart(12)}`;
  const rows = results.map(
    ({ subject, messagesPerSecond, readingsPerSecond }) =>
      `${subject.padEnd(20)}${thousands(messagesPerSecond)}${thousands(readingsPerSecond).padStart(12)}`,
  );
  return [head, ...rows].join("\n");
}
