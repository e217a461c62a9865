/** A line of an `--acked` file: one PUBACK. */
import type { Publish } from "./connection.ts";

export interface AckedLine {
  readonly device: string;
  readonly topic: string;
  readonly seq: number;
  /** SHA-256 of the payload, hexadecimal. */
  readonly hash: string;
  /** When the PUBACK came, ms since 1970. */
  readonly ackedAt: number;
  /** Present where the publish may have reached the broker so many times more than once. */
  readonly resends?: number;
}

export function ackedLine(
  publish: Publish,
  hash: string,
  resends: number,
  ackedAt: number,
): AckedLine {
  const { device, topic, seq } = publish;
  const line = { device, topic, seq, hash, ackedAt };
  return resends === 0 ? line : { ...line, resends };
}
