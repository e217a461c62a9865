/**
 * ChirpStack 3 and 4 (chirpstack.io/docs: Integrations, Events; Gateway Bridge).
 *
 *   application/<id>/device/<EUI>/event/<up|join|ack|txack|status|location|log|integration>
 *   application/<id>/device/<EUI>/<rx|join|…>
 *   …/command/down                a command, told as of a device `<EUI>/command/down`
 *   [<region>/]gateway/<id>/event/<up|stats|…>, …/state/conn
 *
 * JSON by its paths; `time` (4), else the time of the first gateway that has one, is when. Version 3
 * may hold the decoded object as JSON in a text, `objectJSON`, whose paths are read as well. `data` is the
 * frame as base64, whose meaning the device profile's codec puts into `object`. What is protobuf is
 * not read: set the integration's marshaler to JSON.
 */
import type { Reading } from "../event.ts";
import type { Adapter } from "./adapter.ts";
import { below, Collector, cleared, jsonIn } from "./collect.ts";
import { refused } from "./decoded.ts";
import { parseJson } from "./json.ts";
import type { JsonObject } from "./memory.ts";
import { isObject } from "./memory.ts";
import { cameOrWent, onlineOf } from "./presence-words.ts";
import { deviceTimeOf } from "./time.ts";

export const chirpstack: Adapter = {
  family: "chirpstack",
  signature(levels) {
    const [root, , kind, device = ""] = levels;
    if (root === "application" && kind === "device") {
      const what = levels[4] === "command" ? "command" : "device";
      return levels.length > 4 ? { device, what, path: levels.slice(4).join("/") } : undefined;
    }
    const at = levels.indexOf("gateway");
    if (at < 0 || at > 1 || levels.length !== at + 4) return undefined;
    const [, id = "", verb = ""] = levels.slice(at);
    if (verb !== "event" && verb !== "state" && verb !== "command") return undefined;
    return { device: `gateway/${id}`, what: verb, path: levels.slice(-2).join("/") };
  },
  decode({ topic, device, what, path }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    const json = jsonIn(device, payload);
    if (json.kind !== "json") {
      const detail = "protobuf, it seems: set the marshaler of ChirpStack to JSON";
      return refused(device, "binary", detail);
    }
    if (!isObject(json.value)) return undefined;
    const { objectJSON, state } = json.value;
    const collector = new Collector();
    const object = typeof objectJSON === "string" ? parseJson(objectJSON)?.value : undefined;
    if (!isObject(object) && !Array.isArray(object)) collector.members(json.value, "time");
    else {
      collector.members(json.value, "time", "objectJSON");
      collector.flatten("objectJSON", object, 1);
    }
    if (json.value["batteryLevelUnavailable"] === true) unknownBattery(collector.readings);
    const owner = what === "command" ? below(device, path) : device;
    const decoded = collector.done(owner, whenOf(json.value));
    const online = what === "state" ? onlineOf(state) : undefined;
    if (decoded.kind !== "readings" || online === undefined) return decoded;
    return { ...decoded, presences: [cameOrWent(device, online, "gateway-state")] };
  },
};

/** Protobuf has zero where nothing is known. */
function unknownBattery(readings: readonly Reading[]): void {
  const level = readings.find(({ metric }) => metric === "batteryLevel");
  if (level === undefined) return;
  level.value = null;
  level.quality = "bad";
  level.reason = "unavailable";
}

function whenOf(json: JsonObject): number | null {
  const { rxInfo } = json;
  const receptions = Array.isArray(rxInfo) ? rxInfo.slice(0, 16) : [rxInfo];
  const times = receptions.map((each) => (isObject(each) ? each["time"] : undefined));
  for (const time of [json["time"], ...times, json["publishedAt"]]) {
    const when = deviceTimeOf(time);
    if (typeof when === "number") return when;
  }
  return null;
}
