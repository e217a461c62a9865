/**
 * One device publish -> readings, who came or went, what a device told about itself, or the reason
 * why it is quarantined. It never throws, never guesses, and takes time and memory in proportion to
 * the payload. Which route or family has a topic is found once and remembered (docs/devices.md).
 */
import type { Route, RoutedTopic, Usual } from "../mapping/route.ts";
import type { Routes } from "../mapping/routes.ts";
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
const topicsMax = 16_384;
const topicCharactersMax = 4 * 1_024 * 1_024;

interface Found {
  readonly adapter: Adapter;
  readonly target: Target;
  readonly stateKey: string;
}

/** Who decodes the messages of a topic. */
export interface TopicFacts {
  /** Of the payload alone where it is `generic`; undefined where nobody does. */
  readonly family: string | undefined;
  readonly route: Route | undefined;
}

export class Decoder {
  readonly #routes: Routes | undefined;
  readonly #found = new Topics<Found | Decoded>();
  readonly #routed = new Topics<RoutedTopic | null>();
  readonly #usual: Usual = {
    decode: (topic, payload, context) => this.#usually(topic, payload, context),
    familyOf: (topic) => {
      const { family } = this.#familyOf(topic);
      return family === generic.family ? undefined : family;
    },
  };

  constructor(routes?: Routes) {
    this.#routes = routes;
  }

  decode(topic: string, payload: Uint8Array, context: Context): Decoded {
    if (this.#routes === undefined) return this.#usually(topic, payload, context);
    const routed = this.#routeOf(topic, this.#routes);
    if (routed !== null) return routed.decode(payload, context, this.#usual);
    if (this.#routes.unknownTopics === "quarantine" && this.#usual.familyOf(topic) === undefined)
      return refused(null, "topic-unknown", "no route has this topic, and no family");
    return this.#usually(topic, payload, context);
  }

  /** Of a topic, without a message. */
  about(topic: string): TopicFacts {
    const routed = this.#routes === undefined ? null : this.#routeOf(topic, this.#routes);
    return { ...this.#familyOf(topic), route: routed?.route };
  }

  #familyOf(topic: string): Pick<TopicFacts, "family"> {
    if (isNative(topic)) return { family: "native" };
    const found = this.#find(topic);
    return { family: "adapter" in found ? found.adapter.family : undefined };
  }

  #usually(topic: string, payload: Uint8Array, context: Context): Decoded {
    if (isNative(topic)) return decodeNativeTopic(topic, payload);
    const found = this.#find(topic);
    if (!("adapter" in found)) return found;
    const { adapter, target } = found;
    const decoded =
      adapter.decode(target, payload, context) ?? decodeAnyway(target, payload, context);
    const about = context.memory.get(found.stateKey);
    return about === undefined ? decoded : described(decoded, target, about, payload);
  }

  #find(topic: string): Found | Decoded {
    return this.#found.get(topic) ?? this.#found.put(topic, foundBy(topic));
  }

  #routeOf(topic: string, routes: Routes): RoutedTopic | null {
    const known = this.#routed.get(topic);
    return known === undefined ? this.#routed.put(topic, routes.find(topic) ?? null) : known;
  }
}

function isNative(topic: string): boolean {
  return topic.startsWith("devices/");
}

class Topics<Value> {
  readonly #values = new Map<string, Value>();
  #characters = 0;

  get(topic: string): Value | undefined {
    return this.#values.get(topic);
  }

  put(topic: string, value: Value): Value {
    this.#characters += topic.length;
    if (this.#values.size >= topicsMax || this.#characters > topicCharactersMax) {
      this.#values.clear();
      this.#characters = topic.length;
    }
    this.#values.set(topic, value);
    return value;
  }
}

function foundBy(topic: string): Found | Decoded {
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
