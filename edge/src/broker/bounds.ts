/** What an operator can bound in the broker, besides what stands in config.ts. */
import { z } from "zod";

const mebibyte = 1_024 * 1_024;
const bytes = z.int().min(64 * 1_024);

export const brokerBounds = {
  /** Payload bytes that wait for the disk; at the bound no socket is read. */
  waitingBytesMax: bytes.default(8 * mebibyte),
  /** The longest keep alive a client may ask for, in seconds; 0 admits any, and none. */
  keepaliveSecondsMax: z.int().min(0).max(65_535).default(0),
  sessions: z
    .strictObject({
      expiryMs: z.int().min(1_000).default(86_400_000),
      countMax: z.int().min(1).max(100_000).default(1_000),
      queueMessagesMax: z.int().min(1).max(1_000_000).default(10_000),
      queueBytesMax: bytes.default(16 * mebibyte),
      bytesMax: bytes.default(64 * mebibyte),
    })
    .prefault({}),
  retained: z
    .strictObject({
      countMax: z.int().min(0).max(1_000_000).default(10_000),
      bytesMax: bytes.default(16 * mebibyte),
    })
    .prefault({}),
};

export type BrokerBounds = z.infer<z.ZodObject<typeof brokerBounds>>;

export const defaultBrokerBounds: BrokerBounds = z.strictObject(brokerBounds).parse({});
