/**
 * One device publish -> readings, who came or went, what a device told about itself, or the reason
 * why it is quarantined. It never throws, never guesses, and takes time and memory in proportion to
 * the payload. Which family a topic belongs to is found once and remembered (docs/devices.md).
 */
import { shown } from "../shown.ts";
import type { Adapter, Context, Sign, Target } from "./adapter.ts";
import { chirpstack } from "./chirpstack.ts";
import { deviceNamed } from "./collect.ts";
import { csv } from "./csv.ts";
import type { Decoded } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { esphome } from "./esphome.ts";
import { generic } from "./generic.ts";
import { described, discovery, stateKey } from "./home-assistant.ts";
import { homie } from "./homie.ts";
import { influxLine } from "./influx-line.ts";
import { decodeNativeTopic } from "./native-topic.ts";
import { opcUa } from "./opc-ua.ts";
import { openMqttGateway } from "./open-mqtt-gateway.ts";
import { rtl433 } from "./rtl-433.ts";
import { senml } from "./senml.ts";
import { shellyGen1 } from "./shelly-gen1.ts";
import { shellyGen2 } from "./shelly-gen2.ts";
import { sparkplug } from "./sparkplug.ts";
import { tasmota } from "./tasmota.ts";
import { theThingsStack } from "./the-things-stack.ts";
import { victron } from "./victron.ts";
import { zigbee2mqtt } from "./zigbee2mqtt.ts";

/** In this order: the first whose signature fits has the topic. */
export const adapters: readonly Adapter[] = [
  sparkplug,
  discovery,
  zigbee2mqtt,
  homie,
  chirpstack,
  theThingsStack,
  rtl433,
  openMqttGateway,
  victron,
  opcUa,
  senml,
  influxLine,
  csv,
  tasmota,
  shellyGen2,
  shellyGen1,
  esphome,
  generic,
];

/** Topics of devices are few; where they are not, all are forgotten, and the next ones found anew. */
const routesMax = 16_384;
const routeCharactersMax = 4 * 1_024 * 1_024;

interface Route {
  readonly adapter: Adapter;
  readonly target: Target;
  readonly stateKey: string;
}

export class Decoder {
  readonly #routes = new Map<string, Route | Decoded>();
  #characters = 0;

  decode(topic: string, payload: Uint8Array, context: Context): Decoded {
    if (topic.startsWith("devices/")) return decodeNativeTopic(topic, payload);
    const route = this.#routes.get(topic) ?? this.#find(topic);
    if (!("adapter" in route)) return route;
    const { adapter, target } = route;
    const decoded =
      adapter.decode(target, payload, context) ?? decodeAnyway(target, payload, context);
    const about = context.memory.get(route.stateKey);
    return about === undefined ? decoded : described(decoded, target, about, payload);
  }

  #find(topic: string): Route | Decoded {
    this.#characters += topic.length;
    if (this.#routes.size >= routesMax || this.#characters > routeCharactersMax) {
      this.#routes.clear();
      this.#characters = topic.length;
    }
    const found = routeOf(topic);
    this.#routes.set(topic, found);
    return found;
  }
}

function routeOf(topic: string): Route | Decoded {
  const levels = topic.split("/");
  for (const adapter of adapters) {
    const sign = adapter.signature(levels);
    if (sign === undefined) continue;
    const target = targetOf(topic, sign);
    return "topic" in target ? { adapter, target, stateKey: stateKey(topic) } : target;
  }
  return refused(null, "topic-unknown", "no adapter knows this topic");
}

function targetOf(topic: string, sign: Sign): Target | Decoded {
  const { device, path = "", what = "" } = sign;
  const name = deviceNamed(device);
  if (name === undefined) return refused(null, "device-name", `device ${shown(device)}`);
  return { topic, device: name, path, what };
}

/** What a family does not know in its own topics may still be plain. */
function decodeAnyway(target: Target, payload: Uint8Array, context: Context): Decoded {
  const unknown = refused(target.device, "topic-unknown", "no adapter knows this payload");
  const sign = generic.signature(target.topic.split("/"));
  const found = sign === undefined ? unknown : targetOf(target.topic, sign);
  return "topic" in found ? (generic.decode(found, payload, context) ?? unknown) : found;
}
