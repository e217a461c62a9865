/** What an operator can set on a gateway; docs/operations.md tells each in words. */
import { isGatewayId } from "@causeway/shared/names.ts";
import { logLevels } from "@causeway/shared/system-log.ts";
import { z } from "zod";
import { brokerBounds } from "./broker/bounds.ts";
import { accessSettings } from "./broker/listener-settings.ts";
import { sourceSettings } from "./broker/source-settings.ts";
import { filtersSchema } from "./filter/filter-settings.ts";
import { routesSettings } from "./mapping/routes-settings.ts";
import { whenFullPolicies } from "./outbox/space.ts";
import { rulesSettings } from "./rules/rules-settings.ts";
import { budgetSchema } from "./uplink/budget-settings.ts";
import { dialSettings } from "./uplink/dial-settings.ts";

const mebibyte = 1_024 * 1_024;
const port = z.int().min(0).max(65_535);

export const edgeSchema = z.strictObject({
  gateway: z.string().refine(isGatewayId, 'use 1 to 64 letters, digits, "_" or "-"'),
  dataDir: z.string().min(1),
  mqtt: z
    .strictObject({
      ...accessSettings,
      packetBytesMax: z
        .int()
        .min(1_024)
        .max(512 * 1_024)
        .default(256 * 1_024),
      connectionsMax: z.int().min(1).max(100_000).default(2_000),
      inflightPerClientMax: z.int().min(1).max(65_535).default(1_000),
      ...brokerBounds,
      ...sourceSettings,
    })
    .refine(({ listeners, sources }) => listeners.length + sources.length > 0, {
      path: ["listeners"],
      message: "nothing could reach the gateway: set a listener or mqtt.sources",
    })
    .prefault({}),
  outbox: z
    .strictObject({
      bytesMax: z
        .int()
        .min(mebibyte)
        .default(4_096 * mebibyte),
      /** Its part for `priority`; at most an eighth of it. */
      priorityBytesMax: z
        .int()
        .min(0)
        .default(256 * mebibyte),
      tailBytesMax: z
        .int()
        .min(0)
        .default(256 * mebibyte),
      pendingBytesMax: z
        .int()
        .min(mebibyte)
        .default(16 * mebibyte),
      diskReserveBytes: z
        .int()
        .min(0)
        .default(128 * mebibyte),
      whenFull: z.enum(whenFullPolicies).default("thin"),
      ageMaxMs: z.int().min(60_000).optional(),
    })
    .prefault({}),
  uplink: z.strictObject({
    ...dialSettings,
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
    /** Of a backlog that is older fresh events go ahead. */
    freshAfterMs: z.int().min(1_000).max(31_536_000_000).default(30_000),
    budget: budgetSchema,
  }),
  downlink: z
    .strictObject({
      /** Ed25519 in PEM, one or several: commands that none of them signed are refused. */
      publicKeyFile: z.string().min(1).optional(),
    })
    .prefault({}),
  time: z
    .strictObject({
      /** How long sending waits for the clock to be set, once in a boot. */
      waitMs: z.int().min(0).max(3_600_000).default(30_000),
    })
    .prefault({}),
  http: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: port.default(8081),
      tokenFile: z.string().optional(),
    })
    .prefault({}),
  ...routesSettings,
  filters: filtersSchema,
  ...rulesSettings,
  heartbeatMs: z.int().min(1_000).max(3_600_000).default(60_000),
  logLevel: z.enum(logLevels).default("info"),
});

export type EdgeConfig = z.infer<typeof edgeSchema>;
