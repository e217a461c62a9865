/**
 * An adapter knows one family of devices: which topics are theirs, and what their payloads say.
 * Adapters are pure, throw nothing, and take time and memory in proportion to the payload.
 */
import type { DeviceId } from "../names.ts";
import type { Decoded } from "./decoded.ts";
import type { Memory } from "./memory.ts";

/** What a topic says. */
export interface Target {
  readonly topic: string;
  readonly device: DeviceId;
  /** What the topic names below the device; empty where it names nothing. */
  readonly path: string;
  /** What kind of message the family sends there. */
  readonly what: string;
}

/** As the topic says it, not yet checked. */
export interface Sign {
  readonly device: string;
  readonly path?: string;
  readonly what?: string;
}

export interface Context {
  readonly memory: Memory;
  /** For times that are told relative to it; undefined while the clock is not to be believed. */
  readonly presentMs: () => number | undefined;
}

export interface Adapter {
  readonly family: string;
  /** Undefined where the topic is not of this family. */
  signature(levels: readonly string[]): Sign | undefined;
  /** Undefined where the payload is not of this family after all. */
  decode(target: Target, payload: Uint8Array, context: Context): Decoded | undefined;
}
