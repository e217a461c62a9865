/** Messages that no client is publishing now: the gateway's own, and wills. */
import type { Aedes } from "aedes";
import type { Message } from "./session-records.ts";

export function packetOf(message: Message) {
  const payload = Buffer.from(message.payload);
  return { cmd: "publish" as const, dup: false, ...message, payload };
}

/** Resolves once it is durable for those who are away. */
export function publishOwn(aedes: Aedes | undefined, message: Message): Promise<void> {
  return new Promise((resolve, reject) => {
    if (aedes === undefined) return reject(new Error("the broker has not started"));
    aedes.publish(packetOf(message), (failure) => (failure ? reject(failure) : resolve()));
  });
}
