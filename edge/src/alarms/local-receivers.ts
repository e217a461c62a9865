/** Who is told of alarms at the gateway: the `receivers:` of edge.yaml. */
import { planSettings } from "@causeway/shared/notify/plan-settings.ts";
import {
  commandReceiver,
  forPrograms,
  logReceiver,
  receiverName,
  urlFault,
  webhookReceiver,
} from "@causeway/shared/notify/receiver-settings.ts";
import { topicTemplate } from "@causeway/shared/notify/topic-template.ts";
import { z } from "zod";

const mqttReceiver = z.strictObject({
  name: receiverName,
  ...planSettings,
  ...forPrograms,
  kind: z.literal("mqtt"),
  /** On the gateway's own broker. */
  topic: topicTemplate.default("causeway/alarms/{rule}"),
  retain: z.boolean().default(false),
});

const receiverSchema = z.discriminatedUnion("kind", [
  logReceiver,
  webhookReceiver,
  mqttReceiver,
  commandReceiver.omit({ gateway: true }),
]);
export type LocalReceiver = z.infer<typeof receiverSchema>;

/** A name is a receiver's identity: the durable place up to which it was told hangs on it. */
export const receiversSchema = z
  .array(receiverSchema)
  .max(32)
  .check(({ value, issues }) => {
    const tell = (path: PropertyKey[], message: string) =>
      issues.push({ code: "custom", path, message, input: value });
    for (const [index, receiver] of value.entries()) {
      const { name } = receiver;
      if (value.findIndex((other) => other.name === name) < index)
        tell([index, "name"], `receiver ${name} is named twice`);
      if (receiver.kind !== "webhook") continue;
      const fault = urlFault(receiver.url, receiver.allowAddresses);
      if (fault !== undefined) tell([index, "url"], fault);
    }
  });
