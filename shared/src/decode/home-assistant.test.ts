// The goal: discovery gives readings of any family their units, without a change to what it does not
// understand; presence by the words that it names; nothing of a config that is gone.
import { describe, expect, test } from "vitest";
import { LearningDecoder, told } from "./testing/device-message.ts";
import { templateOf } from "./value-template.ts";

class House {
  readonly decoder = new LearningDecoder();

  config(topic: string, config: object | ""): this {
    this.decoder.decode(topic, Buffer.from(config === "" ? "" : JSON.stringify(config)));
    return this;
  }

  says(topic: string, payload: string): readonly string[] {
    return told(this.decoder.decode(topic, Buffer.from(payload)));
  }
}

const topic = "homeassistant/sensor/attic/config";
const temperature = { stat_t: "zigbee2mqtt/attic", unit_of_meas: "°C" };

describe("a discovery config", () => {
  test("gives the unit to a reading of another family", () => {
    const house = new House().config(topic, {
      ...temperature,
      val_tpl: "{{ value_json.temperature }}",
    });
    expect(house.says("zigbee2mqtt/attic", '{"temperature":21.5,"humidity":40}')).toEqual([
      ...["attic temperature=21.5 Cel (°C)", "attic humidity=40"],
    ]);
  });

  test("gives it to the only value of a topic", () => {
    const house = new House().config(topic, { ...temperature, stat_t: "attic/sensor/t/state" });
    expect(house.says("attic/sensor/t/state", "21.5")).toEqual(["attic sensor/t=21.5 Cel (°C)"]);
  });

  test("makes any text readable on a topic that no family claims", () => {
    const text = `${"word ".repeat(60)}\nend`;
    const house = new House().config(topic, { state_topic: "garage/door" });
    expect(house.says("garage/door", text)).toEqual([`garage door=${JSON.stringify(text)}`]);
    expect(house.says("garage/window", text)).toEqual(["quarantined topic-unknown"]);
  });

  test("tells of a climate's other topics, with its scale", () => {
    const climate = {
      curr_temp_t: "ac/temp",
      temp_unit: "F",
      mode_stat_t: "ac/mode",
      mode_cmd_t: "ac/set",
    };
    const house = new House().config("homeassistant/climate/x/config", climate);
    expect(house.says("ac/temp", "70")).toEqual(["ac temp=70 °F"]);
    expect(house.decoder.memory.has("homeassistant/about/ac/mode")).toBe(true);
    expect(house.decoder.memory.has("homeassistant/about/ac/set")).toBe(false);
  });

  test("of very many topics teaches a bounded number of them", () => {
    const keys = ["stat_t", "mode_stat_t", "temp_stat_t", "act_t", "pos_t", "fan_mode_stat_t"];
    const entity = (at: number) => Object.fromEntries(keys.map((key) => [key, `${key}/${at}`]));
    const cmps = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, at) => [`c${at}`, entity(at)]),
    );
    const house = new House().config("homeassistant/device/m/config", { avty_t: "here", cmps });
    expect(house.decoder.memory.size).toBeGreaterThan(500);
    expect(house.decoder.memory.size).toBeLessThanOrEqual(1_025);
  });

  test("finds the word of availability within JSON", () => {
    const availability = [{ t: "m/info", val_tpl: "{{ value_json.net.state }}" }];
    const house = new House().config(topic, { state_topic: "m/s", availability });
    expect(house.says("m/info", '{"net":{"state":"offline"}}')).toEqual([
      'm/info net.state="offline"',
      "m went",
    ]);
  });

  test("leaves presence to the family that knows whose it is", () => {
    const lwt = {
      stat_t: "tele/plug/SENSOR",
      avty_t: "tele/plug/LWT",
      pl_avail: "Online",
      pl_not_avail: "Offline",
    };
    const house = new House().config(topic, lwt);
    expect(house.says("tele/plug/LWT", "Online")).toEqual([
      'plug availability="Online"',
      "plug came",
    ]);
  });

  test("of a device tells all its entities, which inherit its topic", () => {
    const cmps = {
      a: { p: "sensor", unit_of_measurement: "W", value_template: "{{ value_json.power }}" },
      b: { p: "sensor", unit_of_measurement: "V", value_template: "{{ value_json.voltage }}" },
    };
    const house = new House().config("homeassistant/device/m/config", { state_topic: "m/s", cmps });
    expect(house.says("m/s", '{"power":5,"voltage":230}')).toEqual([
      "m/s power=5 W",
      "m/s voltage=230 V",
    ]);
  });

  test("tells who is there, by its own words", () => {
    const availability = [
      { topic: "m/lwt", payload_available: "Here", payload_not_available: "Gone" },
    ];
    const house = new House().config(topic, { state_topic: "m/s", availability });
    expect(house.says("m/lwt", "Here")).toEqual(['m lwt="Here"', "m came"]);
    expect(house.says("m/lwt", "Gone")).toEqual(['m lwt="Gone"', "m went"]);
  });

  test("that scales a value does so once, however many entities it has", () => {
    const scaled = { stat_t: "a/x", val_tpl: "{{ value_json.t / 10 }}", unit_of_meas: "V" };
    const house = new House()
      .config(topic, scaled)
      .config("homeassistant/sensor/second/config", scaled);
    expect(house.says("a/x", '{"t":1203}')).toEqual(["a/x t=120.3 V"]);
  });

  test("that is emptied is forgotten, and one of another entity stays", () => {
    const house = new House()
      .config(topic, { ...temperature, val_tpl: "{{ value_json.t }}" })
      .config("homeassistant/sensor/h/config", {
        ...temperature,
        unit_of_meas: "%",
        val_tpl: "{{ value_json.h }}",
      });
    expect(house.says(topic, "")).toEqual(["homeassistant/sensor/attic forgotten"]);
    expect(house.says("zigbee2mqtt/attic", '{"t":1,"h":2}')).toEqual(["attic t=1", "attic h=2 %"]);
    house.config("homeassistant/sensor/h/config", "");
    expect(house.decoder.memory.size).toBe(0);
  });

  test("that names another topic leaves the first", () => {
    const house = new House()
      .config(topic, { ...temperature, stat_t: "a/x", val_tpl: "{{ value_json.t }}" })
      .config(topic, { ...temperature, stat_t: "b/x", val_tpl: "{{ value_json.t }}" });
    expect(house.says("a/x", '{"t":1}')).toEqual(["a/x t=1"]);
    expect(house.says("b/x", '{"t":1}')).toEqual(["b/x t=1 Cel (°C)"]);
  });

  test("of a form that is not understood changes nothing", () => {
    const val_tpl = "{% if value_json.t > 5 %}{{ value_json.t }}{% endif %}";
    const house = new House().config(topic, { ...temperature, stat_t: "a/x", val_tpl });
    expect(house.says("a/x", '{"t":"7"}')).toEqual(['a/x t="7"']);
  });
});

test.each([
  ["{{ value }}", { path: null, isNumber: false, factor: 1, divisor: 1 }],
  ["{{value_json.a.b}}", { path: "a.b", isNumber: false, factor: 1, divisor: 1 }],
  [
    "{{ value_json['a b'][\"c\"][0].d }}",
    { path: "a b.c.0.d", isNumber: false, factor: 1, divisor: 1 },
  ],
  ["{{ value_json.a | float }}", { path: "a", isNumber: true, factor: 1, divisor: 1 }],
  [
    "{{ value_json.a | float(0) | round(2) }}",
    { path: "a", isNumber: true, factor: 1, divisor: 1 },
  ],
  ["{{ (value_json.a | float) / 10 }}", { path: "a", isNumber: true, factor: 1, divisor: 10 }],
  ["{{ value_json.a * 100 / 4 }}", { path: "a", isNumber: true, factor: 100, divisor: 4 }],
  ["{{ value | default('') | int }}", { path: null, isNumber: true, factor: 1, divisor: 1 }],
  ["{{ value_json.a + 1 }}", { path: "a", isNumber: true, factor: 1, divisor: 1, after: 1 }],
  [
    "{{ (value_json.a | float - 32) * 5 / 9 }}",
    { path: "a", isNumber: true, factor: 5, divisor: 9, before: -32 },
  ],
  ["{{ value_json.a * 2 - 40 }}", { path: "a", isNumber: true, factor: 2, divisor: 1, after: -40 }],
  ["{{ value_json.a | multiply(0.1) }}", { path: "a", isNumber: true, factor: 0.1, divisor: 1 }],
  ["{{ value_json.get('a').b }}", { path: "a.b", isNumber: false, factor: 1, divisor: 1 }],
  ["{{ float(value_json.a) / 10 }}", { path: "a", isNumber: true, factor: 1, divisor: 10 }],
  [
    "{{ value_json.a if value_json.a is defined else 0 }}",
    { path: "a", isNumber: false, factor: 1, divisor: 1 },
  ],
  [
    "{% if value_json.a is defined %}{{ value_json.a | int }}{% endif %}",
    { path: "a", isNumber: true, factor: 1, divisor: 1 },
  ],
  ["{{ value_json.a - 32 * 5 }}", undefined],
  ["{{ value_json.a / 10 | multiply(2) }}", undefined],
  ["{{ value_json.a if value_json.b is defined else 0 }}", undefined],
  ["{{ value_json.a }}{{ value_json.b }}", undefined],
  ["{{ value_json.a | abs }}", undefined],
  ["{{ value_json.a / 0 }}", undefined],
  ["{{ states('sensor.x') }}", undefined],
  ["{{ value.a }}", undefined],
  ["{% set x = 1 %}{{ value }}", undefined],
  ["value_json.a", undefined],
  [7, undefined],
])("the template %j is understood as it should", (text, template) => {
  expect(templateOf(text)).toEqual(template);
});
