/** What an operator can set in the cloud; docs/operations.md tells each in words. */
import { natsSettings } from "@causeway/shared/nats-connection.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { logLevels } from "@causeway/shared/system-log.ts";
import { z } from "zod";
import { receiversSchema } from "./notify/receivers.ts";

const mebibyte = 1_024 * 1_024;

export const cloudSchema = z.strictObject({
  nats: z
    .strictObject({
      ...natsSettings,
      servers: natsSettings.servers.default(["nats://127.0.0.1:4222"]),
    })
    .prefault({}),
  /** For what the cloud keeps outside JetStream; nothing yet. */
  dataDir: z.string().min(1).default(".data/cloud"),
  http: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: z.int().min(0).max(65_535).default(8080),
      tokenFile: z.string().optional(),
    })
    .prefault({}),
  streams: z
    .strictObject({
      telemetryBytesMax: z
        .int()
        .min(mebibyte)
        .default(8_192 * mebibyte),
      engineBytesMax: z
        .int()
        .min(mebibyte)
        .default(2_048 * mebibyte),
      replicas: z.int().min(1).max(5).default(1),
      replayHours: z.number().min(0).max(87_600).default(24),
      slowDownBytesPerSecond: z.int().min(1_024).default(32_768),
    })
    .prefault({}),
  rules: rulesSchema,
  receivers: receiversSchema,
  logLevel: z.enum(logLevels).default("info"),
});

export type CloudConfig = z.infer<typeof cloudSchema>;
