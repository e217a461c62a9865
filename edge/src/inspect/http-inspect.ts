/**
 * What the gateway answers to those who look: /api/topics, /api/devices, and /api/inspect, which goes
 * on as lines of JSON until the reader leaves. A reader that is slow is shown less, and told so.
 */
import type { ServerResponse } from "node:http";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { isFilter } from "../broker/topic-filter.ts";
import type { FeedFilter } from "./feed.ts";
import type { Inspection } from "./inspection.ts";
import type { Clients, DeviceList, TopicList } from "./views.ts";
import { listDevices, listTopics } from "./views.ts";

export interface HttpInspectParts {
  readonly inspection: Inspection;
  readonly clients: Clients;
  readonly clock: Clock;
  readonly gateway: string;
  readonly version: string;
}

export type HttpInspectAnswer =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "refused"; readonly code: 400 | 503; readonly why: string }
  | { readonly kind: "stream"; readonly to: (response: ServerResponse) => void };

const listedUsually = 200;
const listedMax = 5_000;
/** Each is decoded for whoever asks, and devices wait meanwhile. */
const decodedMax = 1_000;
const onPageMax = 25;
/** Readers see what came so long after it came. */
const flushEveryMs = 100;
/** A reader that waits knows that it is still connected. */
const heartbeatMs = 15_000;

export class HttpInspect {
  readonly #parts: HttpInspectParts;

  constructor(parts: HttpInspectParts) {
    this.#parts = parts;
  }

  /** Undefined where the path is none of its own. */
  answer(path: string, query: URLSearchParams): HttpInspectAnswer | undefined {
    const { inspection, clients } = this.#parts;
    const topic = query.get("topic") ?? undefined;
    const device = query.get("device") ?? undefined;
    const refused = isSet(query.get("refused"));
    const limit = limitOf(query.get("limit"));
    if (!["/api/topics", "/api/devices", "/api/inspect"].includes(path)) return undefined;
    if (limit === undefined) {
      return { kind: "refused", code: 400, why: `limit: write 1 to ${listedMax}` };
    }
    if (topic !== undefined && !isFilter(topic)) {
      return { kind: "refused", code: 400, why: "topic: write an MQTT topic or filter" };
    }
    if (path === "/api/devices") {
      return { kind: "json", value: listDevices(inspection, clients, { device, limit }) };
    }
    if (path === "/api/topics") {
      const withLast = isSet(query.get("last"));
      const most = withLast ? Math.min(limit, decodedMax) : limit;
      const asked = { topic, device, refused, limit: most, withLast };
      return { kind: "json", value: listTopics(inspection, asked) };
    }
    return this.#stream({ topic, device, refused });
  }

  /** For the status page. */
  seen(): { readonly topics: TopicList; readonly devices: DeviceList } {
    const { inspection, clients } = this.#parts;
    const limit = onPageMax;
    return {
      topics: listTopics(inspection, { refused: false, withLast: false, limit }),
      devices: listDevices(inspection, clients, { limit }),
    };
  }

  /** For the page of topics, with their newest payloads. */
  topics(query: URLSearchParams): TopicList {
    const topic = query.get("topic") ?? undefined;
    const refused = isSet(query.get("refused"));
    const asked = { topic, refused, withLast: true, limit: onPageMax };
    return listTopics(this.#parts.inspection, asked);
  }

  #stream(filter: FeedFilter): HttpInspectAnswer {
    const { inspection } = this.#parts;
    if (!inspection.isFull)
      return { kind: "stream", to: (response) => this.#show(filter, response) };
    const why = `${inspection.bounds.feedsMax} readers look already: close one`;
    return { kind: "refused", code: 503, why };
  }

  #show(filter: FeedFilter, response: ServerResponse): void {
    const { inspection, clock, gateway, version } = this.#parts;
    let [flushing, beating]: (Cancel | undefined)[] = [];
    const flush = () => {
      if (flushing !== undefined || response.writableNeedDrain || response.destroyed) return;
      flushing = clock.after(flushEveryMs, () => {
        flushing = undefined;
        response.write(feed.take());
      });
    };
    const beat = () => {
      beating = clock.after(heartbeatMs, () => {
        if (!response.writableNeedDrain) response.write("\n");
        beat();
      });
    };
    const feed = inspection.open(filter, flush);
    response.on("drain", () => {
      if (feed.hasAny) flush();
    });
    response.once("close", () => {
      flushing?.();
      beating?.();
      inspection.close(feed);
    });
    feed.put({ kind: "hello", gateway, version });
    beat();
  }
}

function isSet(value: string | null): boolean {
  return value !== null && value !== "0" && value !== "false";
}

/** Undefined where it is none. */
function limitOf(text: string | null): number | undefined {
  if (text === null) return listedUsually;
  const limit = Number(text);
  return Number.isInteger(limit) && limit >= 1 && limit <= listedMax ? limit : undefined;
}
