/** What a receiver was told and is to be told, and which records of it have changed. */

import type { AlertTransition } from "../alert/alert.ts";
import type { Labels } from "../operate/labels.ts";
import { digest } from "../rules/digest.ts";
import { Inhibition } from "./inhibition.ts";
import type { LateDigest } from "./late-digest.ts";
import type { PlanBounds } from "./plan-settings.ts";
import { planBounds } from "./plan-settings.ts";
import type { Tracked } from "./tracked-alert.ts";

export interface Group {
  readonly labels: Labels;
  /** Fingerprints. */
  readonly alerts: Set<string>;
  /** When it is looked at next, in ms. */
  dueAt: number;
  /** Of the last notification. */
  toldAt: number | undefined;
}

const gatewayShards = 4_096;
const fingerprintShards = 32;
const groupShards = 64;

export class PlanState {
  readonly bounds: PlanBounds;
  /** By fingerprint. */
  readonly alerts = new Map<string, Tracked>();
  readonly groups = new Map<string, Group>();
  /** By gateway. */
  readonly digests = new Map<string, LateDigest>();
  readonly inhibition: Inhibition;
  /** Names of the records that are no longer as they were written. */
  readonly changed = new Set<string>();
  /** Alerts beyond the bound. */
  unfollowed = 0;
  readonly #records = new Map<string, Set<string>>();

  constructor(bounds: PlanBounds = planBounds) {
    this.bounds = bounds;
    this.inhibition = new Inhibition(bounds.inhibitors);
  }

  follow(fingerprint: string, tracked: Tracked): void {
    this.alerts.set(fingerprint, tracked);
    const record = alertRecord(tracked.current);
    const own = this.#records.get(record);
    if (own === undefined) this.#records.set(record, new Set([fingerprint]));
    else own.add(fingerprint);
    this.changed.add(record);
  }

  forget(fingerprint: string): void {
    const tracked = this.alerts.get(fingerprint);
    if (tracked === undefined) return;
    this.alerts.delete(fingerprint);
    this.groups.get(tracked.group)?.alerts.delete(fingerprint);
    const record = alertRecord(tracked.current);
    this.changed.add(record);
    const own = this.#records.get(record);
    own?.delete(fingerprint);
    if (own?.size === 0) this.#records.delete(record);
  }

  /** Of a record. */
  fingerprints(record: string): Iterable<string> {
    return this.#records.get(record) ?? [];
  }

  alertChanged({ current }: Tracked): void {
    this.changed.add(alertRecord(current));
  }

  groupChanged(key: string): void {
    this.changed.add(groupRecord(key));
  }

  digestChanged(gateway: string): void {
    this.changed.add(digestRecord(gateway));
  }

  inhibitionChanged(): void {
    this.changed.add(inhibitionRecord);
  }
}

export const inhibitionRecord = "inhibition";

function alertRecord({ gateway, fingerprint }: AlertTransition): string {
  return `alerts.${shard(gateway, gatewayShards)}.${shard(fingerprint, fingerprintShards)}`;
}

export function groupRecord(key: string): string {
  return `groups.${shard(key, groupShards)}`;
}

/** A site's name may hold what a subject may not. */
export function digestRecord(gateway: string): string {
  return `digest.${digest(gateway, 24)}`;
}

const remembered = new Map<string, number>();
const rememberedMax = 65_536;

function shard(text: string, count: number): number {
  let hash = remembered.get(text);
  if (hash === undefined) {
    hash = Number.parseInt(digest(text, 8), 16);
    if (remembered.size >= rememberedMax) remembered.clear();
    remembered.set(text, hash);
  }
  return hash % count;
}
