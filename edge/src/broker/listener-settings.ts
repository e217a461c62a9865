/** What an operator can set about where devices connect and what lets them in. */
import { z } from "zod";

const port = z.int().min(0).max(65_535);
const file = z.string().min(1);

const tls = z
  .strictObject({
    certFile: file,
    keyFile: file,
    /** Whose certificates of clients count. */
    caFile: file.optional(),
    /** Without one of a client no connection. */
    requireCertificate: z.boolean().default(false),
  })
  .refine(({ caFile, requireCertificate }) => !requireCertificate || caFile !== undefined, {
    path: ["caFile"],
    message: "requireCertificate needs the file of the authority that signs the devices",
  });

const listener = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  port,
  /** `ws` is MQTT over WebSocket, at the path /mqtt. */
  protocol: z.enum(["mqtt", "ws"]).default("mqtt"),
  tls: tls.optional(),
});

export const accessSettings = {
  listeners: z.array(listener).prefault([{ port: 1883 }]),
  auth: z
    .strictObject({
      /** Only where every listener that needs it is on loopback. */
      anonymous: z.boolean().default(false),
      passwordFile: file.optional(),
      /** The user name stands in the client's certificate: its common name, or its alternative one. */
      certificateIdentity: z.enum(["cn", "san"]).optional(),
      aclFile: file.optional(),
    })
    .prefault({}),
  /** New connections of one address (IPv6: of one /64). */
  throttle: z
    .strictObject({
      connectionsPerSecond: z.int().min(1).max(100_000).default(20),
      connectionsBurst: z.int().min(1).max(1_000_000).default(2_000),
    })
    .prefault({}),
};

export type AccessSettings = z.infer<z.ZodObject<typeof accessSettings>>;
export type ListenerSettings = AccessSettings["listeners"][number];
export type AuthSettings = AccessSettings["auth"];
export type TlsSettings = z.infer<typeof tls>;
