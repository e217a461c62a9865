/** What an operator can set about brokers that the gateway reads from. */
import { z } from "zod";
import { isFilter, isSharedFilter } from "./topic-filter.ts";

const file = z.string().min(1);
const filter = z
  .string()
  .refine((text) => isFilter(text) && !isSharedFilter(text), "no filter of MQTT 3.1.1");

export const sourceSettings = {
  sources: z
    .array(
      z.strictObject({
        /** For messages and metrics, and part of the client id. */
        name: z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'use letters, digits, "_" or "-"'),
        url: z.string().regex(/^mqtts?:\/\/[^/?#@]+$/, "use mqtt://host:port or mqtts://host:port"),
        /** That broker keeps the session by it: never two with one, never another for one. */
        clientId: z.string().min(1).max(256).optional(),
        filters: z.array(filter).min(1).default(["#"]),
        auth: z.strictObject({ user: z.string().min(1), passwordFile: file }).optional(),
        tls: z
          .strictObject({
            caFile: file.optional(),
            certFile: file.optional(),
            keyFile: file.optional(),
          })
          .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
            message: "certFile and keyFile go together",
          })
          .optional(),
      }),
    )
    .refine((sources) => new Set(sources.map(({ name }) => name)).size === sources.length, {
      message: "two sources have one name",
    })
    .default([]),
};

export type SourceSettings = z.infer<(typeof sourceSettings)["sources"]>[number];
