/** What an operator can set in the cloud; docs/operations.md tells each in words. */
import { natsSettings } from "@causeway/shared/nats-connection.ts";
import { durationSchema } from "@causeway/shared/rules/duration.ts";
import { emptyFleet, fleetSchema } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { logLevels } from "@causeway/shared/system-log.ts";
import { z } from "zod";
import { isDemoUrl } from "./api/demo-url.ts";
import { scopes } from "./api/tokens.ts";
import { historyFaults, historySchema } from "./history/history-settings.ts";
import { receiversSchema } from "./notify/receivers.ts";
import { quotasSchema } from "./quota/quota-settings.ts";
import { receiverFaults, reportsSchema } from "./report/report-settings.ts";
import { stageNames } from "./stages/stage.ts";

const mebibyte = 1_024 * 1_024;

const writtenSchema = z.strictObject({
  /** What this process does; others may do the rest, or share it. */
  stages: z
    .array(z.enum(stageNames))
    .min(1)
    .default([...stageNames]),
  nats: z
    .strictObject({
      ...natsSettings,
      servers: natsSettings.servers.default(["nats://127.0.0.1:4222"]),
    })
    .prefault({}),
  /** For what the cloud keeps outside JetStream: the history. */
  dataDir: z.string().min(1).default(".data/cloud"),
  http: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: z.int().min(0).max(65_535).default(8080),
      /** Of the one token that may do all; more of them in `tokens`. */
      tokenFile: z.string().optional(),
      tokens: z
        .array(
          z.strictObject({
            name: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, "use letters, digits, _ . -"),
            scope: z.enum(scopes),
            tokenFile: z.string().min(1),
            sites: z.array(z.string().min(1)).min(1).optional(),
          }),
        )
        .max(100)
        .default([]),
      /** What those may do who send no token, on loopback alone. */
      anonymous: z.enum(["none", ...scopes]).default("none"),
      /** Of one address. */
      requestsPerMinute: z.int().min(10).default(3_000),
      demoUrl: z.string().refine(isDemoUrl, "an http address of this machine").optional(),
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
  deadLetters: z
    .strictObject({
      /** Of open ones as they are stored: of a gateway, and of all together. */
      gatewayBytesMax: z
        .int()
        .min(64 * 1_024)
        .max(32 * mebibyte)
        .default(2 * mebibyte),
      bytesMax: z
        .int()
        .min(4 * mebibyte)
        .default(128 * mebibyte),
    })
    .prefault({}),
  /** Relative to the configuration file; main.ts resolves it. */
  rulesFile: z.string().min(1).optional(),
  fleet: fleetSchema.unwrap().optional(),
  rules: rulesSchema.unwrap().optional(),
  gateways: z
    .strictObject({
      /** Nothing live came of a gateway for so long: it is told as silent; 0s for never. */
      silentAfter: durationSchema.prefault("3m"),
      /** Where `causeway-cloud gateways` writes who may connect, for nats-server to include. */
      usersFile: z.string().min(1).optional(),
      /** By one of these nats-server is told to read it: with an answer, or by a signal. */
      systemSeedFile: z.string().min(1).optional(),
      pidFile: z.string().min(1).optional(),
    })
    .prefault({}),
  quotas: quotasSchema,
  commands: z
    .strictObject({
      /** Ed25519 in PEM: commands are signed, and gateways that have its public half take no others. */
      signingKeyFile: z.string().min(1).optional(),
    })
    .prefault({}),
  receivers: receiversSchema,
  reports: reportsSchema,
  history: historySchema,
  logLevel: z.enum(logLevels).default("info"),
});

export const cloudSchema = writtenSchema
  .check(({ value, issues }) => {
    for (const key of ["rules", "fleet"] as const) {
      if (value.rulesFile === undefined || value[key] === undefined) continue;
      const message = `stands in the file that rulesFile names: move it to ${value.rulesFile}, or leave rulesFile out`;
      issues.push({ code: "custom", path: [key], message, input: value[key] });
    }
    for (const fault of receiverFaults(value.reports, value.receivers))
      issues.push({ code: "custom", ...fault, path: [...fault.path] });
    for (const fault of historyFaults(value.history)) issues.push({ code: "custom", ...fault });
  })
  .transform(({ rules, fleet, ...settings }) => ({
    ...settings,
    fleet: fleet ?? emptyFleet,
    /** Of no account where there is a file. */
    rules: rules ?? rulesSchema.parse(undefined),
  }));

export type CloudConfig = z.infer<typeof cloudSchema>;
