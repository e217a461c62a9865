/** What an operator can set on a gateway; docs/edge-settings.md tells each in words. */
import { isGatewayId } from "@causeway/shared/names.ts";
import { natsSettings } from "@causeway/shared/nats-connection.ts";
import { logLevels } from "@causeway/shared/system-log.ts";
import { z } from "zod";
import { brokerBounds } from "./broker/bounds.ts";

const mebibyte = 1_024 * 1_024;
const port = z.int().min(0).max(65_535);
const address = z.strictObject({ host: z.string().min(1).default("127.0.0.1"), port });

export const edgeSchema = z.strictObject({
  gateway: z.string().refine(isGatewayId, 'use 1 to 64 letters, digits, "_" or "-"'),
  dataDir: z.string().min(1),
  mqtt: z
    .strictObject({
      listeners: z
        .array(address)
        .min(1)
        .default([{ host: "127.0.0.1", port: 1883 }]),
      auth: z
        .strictObject({
          /** Only where every listener is on loopback. */
          anonymous: z.boolean().default(false),
          passwordFile: z.string().optional(),
        })
        .prefault({}),
      packetBytesMax: z
        .int()
        .min(1_024)
        .max(512 * 1_024)
        .default(256 * 1_024),
      connectionsMax: z.int().min(1).max(100_000).default(2_000),
      inflightPerClientMax: z.int().min(1).max(65_535).default(1_000),
      ...brokerBounds,
    })
    .prefault({}),
  outbox: z
    .strictObject({
      bytesMax: z
        .int()
        .min(mebibyte)
        .default(4_096 * mebibyte),
      tailBytesMax: z
        .int()
        .min(0)
        .default(256 * mebibyte),
      pendingBytesMax: z
        .int()
        .min(mebibyte)
        .default(16 * mebibyte),
    })
    .prefault({}),
  uplink: z.strictObject({
    ...natsSettings,
    windowBytes: z
      .int()
      .min(64 * 1_024)
      .default(8 * mebibyte),
    batchBytes: z
      .int()
      .min(4 * 1_024)
      .max(mebibyte)
      .default(512 * 1_024),
    inflightMax: z.int().min(1).max(64).default(4),
    gatherMs: z.int().min(0).max(60_000).default(50),
  }),
  http: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: port.default(8081),
      tokenFile: z.string().optional(),
    })
    .prefault({}),
  heartbeatMs: z.int().min(1_000).max(3_600_000).default(60_000),
  logLevel: z.enum(logLevels).default("info"),
});

export type EdgeConfig = z.infer<typeof edgeSchema>;
