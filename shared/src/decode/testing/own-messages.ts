/**
 * Messages of our own making, a few for each family, after its documentation; own-messages.jsonl has
 * many more, of the forms that each family's documents show. `expect` is all that a message says. Those
 * noted `before` tell what later ones need.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DeviceMessage } from "./device-message.ts";

const json = (value: unknown) => JSON.stringify(value);
const spark = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex").toString("base64");

const first: readonly DeviceMessage[] = [
  {
    family: "tasmota",
    topic: "tele/greenhouse/SENSOR",
    payload: json({
      Time: "2024-05-01T06:00:00+02:00",
      SI7021: { Temperature: 68.5, DewPoint: 50 },
      TempUnit: "F",
    }),
    expect: [
      { metric: "SI7021.Temperature", value: 68.5, unit: "°F", time: 1714536000 },
      { metric: "SI7021.DewPoint", value: 50, unit: "F", time: 1714536000 },
    ],
  },
  {
    family: "tasmota",
    topic: "stat/greenhouse/STATUS8",
    payload: json({
      StatusSNS: { Time: "2024-05-01T06:00:00", AM2301: { Temperature: 21 }, TempUnit: "C" },
    }),
    expect: [{ metric: "StatusSNS.AM2301.Temperature", value: 21, unit: "Cel", time: 1714543200 }],
  },
  {
    family: "tasmota",
    topic: "tele/greenhouse/SENSOR",
    payload: '{"Time":"1970-01-01T00:00:12","BME280":{"Temperature":nan,"Humidity":51.2}}',
    expect: [
      { metric: "BME280.Temperature", value: null, quality: "nan" },
      { metric: "BME280.Humidity", value: 51.2 },
    ],
  },
  {
    family: "tasmota",
    topic: "stat/greenhouse/POWER2",
    payload: "ON",
    expect: [{ metric: "POWER2", value: "ON" }],
  },
  {
    family: "tasmota",
    topic: "tele/greenhouse/LWT",
    payload: "Online",
    expect: [{ metric: "availability", value: "Online" }],
  },
  {
    family: "zigbee2mqtt",
    topic: "zigbee2mqtt/kitchen/fridge door",
    payload: json({ contact: false, battery: null, last_seen: 1714536000123, voltage: 3015 }),
    expect: [
      { metric: "contact", value: false, time: 1714536000.123 },
      { metric: "battery", value: null, quality: "null" },
      { metric: "voltage", value: 3015 },
    ],
  },
  {
    family: "zigbee2mqtt",
    topic: "zigbee2mqtt/lamp/brightness",
    payload: "120",
    expect: [{ metric: "brightness", value: 120 }],
  },
  {
    family: "zigbee2mqtt",
    topic: "zigbee2mqtt/bridge/devices",
    payload: json([
      { ieee_address: "0x1", definition: { exposes: [{ features: [{ access: 7 }] }] } },
    ]),
    expect: [{ metric: "0.ieee_address", value: "0x1" }],
  },
  {
    family: "shelly-gen1",
    topic: "shellies/shelly1pm-84CCA8/relay/0",
    payload: "on",
    expect: [{ metric: "relay/0", value: "on" }],
  },
  {
    family: "shelly-gen1",
    topic: "shellies/shellyflood-1/sensor/flood",
    payload: "false",
    expect: [{ metric: "sensor/flood", value: false }],
  },
  {
    family: "shelly-gen1",
    topic: "shellies/shellyix3-1/input_event/0",
    payload: json({ event: "S", event_cnt: 2 }),
    expect: [
      { metric: "event", value: "S" },
      { metric: "event_cnt", value: 2 },
    ],
  },
  {
    family: "shelly-gen1",
    topic: "shellies/announce",
    payload: json({ id: "shelly1-B929CC", new_fw: false }),
    expect: [
      { metric: "id", value: "shelly1-B929CC" },
      { metric: "new_fw", value: false },
    ],
  },
  {
    family: "shelly-gen2",
    topic: "shellyplus1pm-a8032ab12345/events/rpc",
    payload: json({
      src: "shellyplus1pm-a8032ab12345",
      dst: "x/events",
      method: "NotifyEvent",
      params: {
        ts: 1714536001.5,
        events: [{ component: "input:0", id: 0, event: "btn_up", ts: 1714536001.25 }],
      },
    }),
    expect: [
      { metric: "events.0.component", value: "input:0", time: 1714536001.25 },
      { metric: "events.0.id", value: 0 },
      { metric: "events.0.event", value: "btn_up" },
    ],
  },
  {
    family: "shelly-gen2",
    topic: "shellyplus1pm-a8032ab12345/online",
    payload: "true",
    expect: [{ metric: "online", value: true }],
  },
  {
    family: "esphome",
    topic: "livingroom/sensor/co2/state",
    payload: "nan",
    expect: [{ metric: "sensor/co2", value: null, quality: "nan" }],
  },
  {
    family: "esphome",
    topic: "livingroom/text_sensor/serial/state",
    payload: "0042",
    expect: [{ metric: "text_sensor/serial", value: "0042" }],
  },
  {
    family: "home-assistant",
    topic: "homeassistant/sensor/meter/power/config",
    payload: json({
      "~": "house/meter",
      stat_t: "~/tele",
      unit_of_meas: "W",
      val_tpl: "{{ value_json['p'] | float / 10 }}",
      avty_t: "~/here",
    }),
    kind: "discovery",
    note: "before",
    expect: [
      { metric: "config.~", value: "house/meter" },
      { metric: "config.stat_t", value: "~/tele" },
      { metric: "config.unit_of_meas", value: "W" },
      { metric: "config.val_tpl", value: "{{ value_json['p'] | float / 10 }}" },
      { metric: "config.avty_t", value: "~/here" },
    ],
  },
  {
    family: "home-assistant",
    topic: "house/meter/tele",
    payload: json({ p: "1205", other: "1205" }),
    expect: [
      { metric: "p", value: 120.5, unit: "W" },
      { metric: "other", value: "1205" },
    ],
  },
  {
    family: "home-assistant",
    topic: "house/meter/here",
    payload: "offline",
    expect: [{ metric: "here", value: "offline" }],
  },
  {
    family: "sparkplug-b",
    topic: "spBv1.0/Sparkplug B Devices/NBIRTH/AliasNode",
    // timestamp, metric { name, alias 7, timestamp, datatype 9, 12.5 }, bdSeq, seq 0
    payload: spark(
      "08 fac0f6a8a02b" +
        "12 20 0a0e 537570706c7920566f6c74616765 1007 18fac0f6a8a02b 2009 6500004841" +
        "12 0b 0a05 6264536571 2008 5800 1800",
    ),
    encoding: "base64",
    kind: "NBIRTH",
    note: "before",
    expect: [
      { metric: "Supply Voltage", value: 12.5, time: 1486144512.122 },
      { metric: "bdSeq", value: 0 },
    ],
  },
  {
    family: "sparkplug-b",
    topic: "spBv1.0/Sparkplug B Devices/NDATA/AliasNode",
    payload: spark("08 fac0f6a8a02b 12 10 1007 18fac0f6a8a02b 2009 6500004441 1801"),
    encoding: "base64",
    expect: [{ metric: "Supply Voltage", value: 12.25 }],
  },
  {
    family: "senml",
    topic: "senml/relative",
    payload: json([
      { n: "urn:dev:mac:1", u: "Cel", v: 23.1 },
      { n: "on", vb: true },
      { n: "id", vs: "007" },
    ]),
    expect: [
      { metric: "urn:dev:mac:1", value: 23.1, unit: "Cel" },
      { metric: "on", value: true },
      { metric: "id", value: "007" },
    ],
  },
  {
    family: "homie-4",
    topic: "homie/super-car/engine/temperature/$unit",
    payload: "°C",
    kind: "metadata",
    note: "before",
    expect: [{ metric: "engine/temperature/$unit", value: "°C" }],
  },
  {
    family: "homie-4",
    topic: "homie/super-car/engine/serial/$datatype",
    payload: "string",
    kind: "metadata",
    expect: [{ metric: "engine/serial/$datatype", value: "string" }],
  },
  {
    family: "homie-4",
    topic: "homie/super-car/engine/serial",
    payload: "100.00",
    expect: [{ metric: "engine/serial", value: "100.00" }],
  },
  {
    family: "homie-4",
    topic: "homie/super-car/$state",
    payload: "lost",
    expect: [{ metric: "$state", value: "lost" }],
  },
  {
    family: "homie-5",
    topic: "homie/5/meter/$description",
    payload: json({
      homie: "5.0",
      nodes: { em: { properties: { power: { datatype: "float", unit: "W" } } } },
    }),
    kind: "metadata",
    expect: [
      { metric: "homie", value: "5.0" },
      { metric: "nodes.em.properties.power.datatype", value: "float" },
      { metric: "nodes.em.properties.power.unit", value: "W" },
    ],
  },
  {
    family: "homie-5",
    topic: "homie/5/meter/em/power",
    payload: "12.50",
    expect: [{ metric: "em/power", value: 12.5, unit: "W" }],
  },
  {
    family: "chirpstack-v3",
    topic: "application/1/device/0101010101010101/event/up",
    payload: json({
      fCnt: 10,
      rxInfo: [{ rssi: -48, time: "2024-05-01T04:00:00.5Z" }],
      objectJSON: '{"temperature":{"0":21.5}}',
    }),
    expect: [
      { metric: "fCnt", value: 10, time: 1714536000.5 },
      { metric: "rxInfo.0.rssi", value: -48 },
      { metric: "rxInfo.0.time", value: "2024-05-01T04:00:00.5Z" },
      { metric: "objectJSON.temperature.0", value: 21.5 },
    ],
  },
  {
    family: "the-things-stack",
    topic: "v3/app@tenant/devices/dev-1/join",
    payload: json({
      join_accept: { session_key_id: "AXcG" },
      received_at: "2024-05-01T04:00:00.123456789Z",
    }),
    expect: [{ metric: "join_accept.session_key_id", value: "AXcG", time: 1714536000.123 }],
  },
  {
    family: "opcua-pubsub-json",
    topic: "plant/opc",
    payload: json({
      MessageId: "1",
      MessageType: "ua-data",
      PublisherId: "p",
      Messages: [
        {
          DataSetWriterId: 1,
          Timestamp: "2024-05-01T04:00:00.1234567Z",
          Payload: {
            Level: { Value: 3, StatusCode: 1083179008, SourceTimestamp: "2024-05-01T03:59:59Z" },
            Speed: { Type: 11, Body: 1.5 },
          },
        },
      ],
    }),
    expect: [
      { metric: "Level", value: 3, quality: "UncertainLastUsableValue", time: 1714535999 },
      { metric: "Speed", value: 1.5, time: 1714536000.123 },
    ],
  },
  {
    family: "opcua-pubsub-json",
    topic: "plant/processor",
    payload: json({
      messageId: "21",
      publisherId: "p",
      timestamp: "2024-05-01T04:00:00Z",
      payload: { "urn:x#i=1": { value: -91, sourceTimestamp: "2024-05-01T03:59:59Z" } },
    }),
    expect: [{ metric: "urn:x#i=1", value: -91, time: 1714535999 }],
  },
  {
    family: "opcua-pubsub-json",
    topic: "opcua/json/status/p1",
    payload: json({ MessageId: "2", MessageType: "ua-status", PublisherId: "p1", Status: 2 }),
    expect: [
      { metric: "MessageId", value: "2" },
      { metric: "MessageType", value: "ua-status" },
      { metric: "PublisherId", value: "p1" },
      { metric: "Status", value: 2 },
    ],
  },
  {
    family: "victron",
    topic: "N/e0ff50a097c0/battery/256/Soc",
    payload: json({ max: 100, min: 0, value: null }),
    expect: [
      { metric: "battery/256/Soc.max", value: 100 },
      { metric: "battery/256/Soc.min", value: 0 },
      { metric: "battery/256/Soc", value: null, quality: "null" },
    ],
  },
  {
    family: "openmqttgateway",
    topic: "home/OMG_ESP32/LWT",
    payload: "online",
    expect: [{ metric: "availability", value: "online" }],
  },
  {
    family: "openmqttgateway",
    topic: "home/OMG_ESP32/BTtoMQTT/A4C138",
    payload: json({ id: "A4:C1:38", name: "LYWSD03MMC", tempc: 21.4, hum: 50 }),
    expect: [
      { metric: "id", value: "A4:C1:38" },
      { metric: "name", value: "LYWSD03MMC" },
      { metric: "tempc", value: 21.4 },
      { metric: "hum", value: 50 },
    ],
  },
  {
    family: "rtl_433",
    topic: "rtl_433/pi/devices/Acurite-Tower/A/1234/temperature_C",
    payload: "5.3",
    expect: [{ metric: "temperature_C", value: 5.3 }],
  },
  {
    family: "rtl_433",
    topic: "rtl_433/pi/events",
    payload: json({ time: "1714536000.250000", model: "Nexus-TH", id: 7, channel: 1 }),
    expect: [
      { metric: "model", value: "Nexus-TH", time: 1714536000.25 },
      { metric: "id", value: 7 },
      { metric: "channel", value: 1 },
    ],
  },
  {
    family: "csv",
    topic: "logger/data.csv",
    payload:
      'timestamp;temp [°C];"state"\n2024-05-01T04:00:00Z;21.5;"007"\n2024-05-01T04:00:01Z;;ok\n',
    expect: [
      { metric: "temp", value: 21.5, unit: "Cel", time: 1714536000 },
      { metric: "state", value: "007", time: 1714536000 },
      { metric: "state", value: "ok", time: 1714536001 },
    ],
  },
  {
    family: "influx-line",
    topic: "telegraf/host1/cpu",
    payload: 'cpu,cpu=cpu0 usage=1.5,up=3i,ok=t,note="a b" 1714536000123456789\n',
    expect: [
      { metric: "cpu,cpu=cpu0.usage", value: 1.5, time: 1714536000.123 },
      { metric: "cpu,cpu=cpu0.up", value: 3 },
      { metric: "cpu,cpu=cpu0.ok", value: true },
      { metric: "cpu,cpu=cpu0.note", value: "a b" },
    ],
  },
  {
    family: "generic",
    topic: "plant/line1/press",
    payload: json({ timestamp: 1714536000, pressures: [1.5, 1.6], unitless: "007" }),
    expect: [
      { metric: "pressures.0", value: 1.5, time: 1714536000 },
      { metric: "pressures.1", value: 1.6 },
      { metric: "unitless", value: "007" },
    ],
  },
  {
    family: "generic",
    topic: "plant/line1/speed",
    payload: "12.5",
    expect: [{ metric: "speed", value: 12.5 }],
  },
];

const file = join(import.meta.dirname, "own-messages.jsonl");
const more = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line): DeviceMessage => JSON.parse(line));

export const ownMessages: readonly DeviceMessage[] = [...first, ...more];
