/** The one place that draws real randomness. */
import { randomBytes } from "node:crypto";
import type { Random } from "./random.ts";

export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  hex: (digits) =>
    randomBytes((digits + 1) >> 1)
      .toString("hex")
      .slice(0, digits),
};
