/** Bucket DEVICES: what people say of devices, written by compare and set. */
import type {
  DeviceFacts,
  DevicePlace,
  FactsRequest,
} from "@causeway/shared/devices/device-facts.ts";
import { DeviceBook, encodeFacts, factsKey } from "@causeway/shared/devices/device-facts.ts";
import { devicesStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { appendAtEnd } from "../nats-append.ts";
import { readBucket } from "../nats-bucket-feed.ts";

export class NatsDeviceFacts {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;

  constructor(jetstream: JetStreamClient, manager: JetStreamManager) {
    this.#jetstream = jetstream;
    this.#manager = manager;
  }

  async load(): Promise<DeviceBook> {
    const book = new DeviceBook();
    await readBucket(this.#jetstream, devicesStream, book);
    return book;
  }

  /** The facts as they are then. Throws OPERATION_INVALID. */
  async say(place: DevicePlace, request: FactsRequest, at: number): Promise<DeviceFacts> {
    const subject = subjects.deviceFacts(factsKey(place));
    for (;;) {
      // Of all keys: that nothing is replaced twice hangs on several.
      const { state } = await this.#manager.streams.info(devicesStream);
      const book = await this.load();
      const facts = book.after(place, request, Math.max(at, book.of(place)?.at ?? at));
      const end = { stream: devicesStream, subject, expectedLast: state.last_seq };
      if ((await appendAtEnd(this.#jetstream, end, encodeFacts(facts))) !== undefined) return facts;
    }
  }
}
