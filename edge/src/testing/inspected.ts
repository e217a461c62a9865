/** An inspection beside a decoder, as the gateway has them, without a broker and without a disk. */
import type { Clock } from "@causeway/shared/clock.ts";
import { Decoder } from "@causeway/shared/decode/decode.ts";
import type { ClientView } from "../broker/client-view.ts";
import { HttpInspect } from "../inspect/http-inspect.ts";
import type { InspectionBounds } from "../inspect/inspection.ts";
import { defaultInspectionBounds, Inspection } from "../inspect/inspection.ts";

export class InspectedIntake {
  readonly inspection: Inspection;
  readonly http: HttpInspect;
  readonly told: string[] = [];
  readonly clients = new Map<string, ClientView>();
  readonly #decoder = new Decoder();
  readonly #memory = new Map<string, unknown>();
  readonly #clock: Clock;

  constructor(clock: Clock, bounds: Partial<InspectionBounds> = {}) {
    this.#clock = clock;
    this.inspection = new Inspection({
      clock,
      presentMs: () => clock.wallMs(),
      about: (topic) => this.#decoder.about(topic),
      explain: (topic, payload) => this.#decode(topic, payload),
      tell: (name, detail) => this.told.push(`${name}: ${detail}`),
      bounds: { ...defaultInspectionBounds, ...bounds },
    });
    const away: ClientView = { connection: undefined, takeovers: 0, sharedMs: undefined };
    this.http = new HttpInspect({
      ...{ inspection: this.inspection, clock, gateway: "gw", version: "0.1.0" },
      clients: (id) => this.clients.get(id) ?? away,
    });
  }

  publish(topic: string, payload: string | Uint8Array, client = "client"): void {
    const publish = { client, topic, payload: Buffer.from(payload), qos: 1 } as const;
    const decoded = this.#decode(topic, publish.payload);
    for (const { key, value } of decoded.learnt ?? []) this.#memory.set(key, value);
    this.inspection.decoded(publish, decoded, this.#clock.bootMs());
  }

  #decode(topic: string, payload: Uint8Array) {
    const presentMs = () => this.#clock.wallMs();
    return this.#decoder.decode(topic, payload, { memory: this.#memory, presentMs });
  }
}
