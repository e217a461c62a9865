/**
 * Who holds which lease, and who should: a pure decision that every worker makes for itself.
 *
 *   L1  A worker claims only what nobody holds who is alive, and gives up only what is its own.
 *   L2  Shares differ by one at most, and who holds more keeps more: nothing moves without need.
 *   L3  What is free goes to those who have too little in an order that all of them find alike, so
 *       that they do not run for the same.
 *   L4  A lease of a group that is not shared out stays where it is until its holder is gone.
 */
import { CodedError } from "@causeway/shared/errors.ts";

/** Leases of one kind, numbered from 0. */
export interface LeaseGroup {
  readonly name: string;
  readonly count: number;
}

/** A worker that is alive. */
export interface Member {
  readonly worker: string;
  /** Names of the groups that it takes leases of. */
  readonly groups: readonly string[];
}

/** The holder by lease; one that is free is not there. */
export type Holders = ReadonlyMap<string, string>;

export function leaseName(group: string, number: number): string {
  return `${group}.${number}`;
}

function numbersOf({ count }: LeaseGroup): readonly number[] {
  return Array.from({ length: count }, (_, number) => number);
}

/** Those of a group that the worker holds, in ascending order. */
export function heldBy(holders: Holders, group: LeaseGroup, worker: string): readonly number[] {
  return numbersOf(group).filter((number) => holders.get(leaseName(group.name, number)) === worker);
}

/** L2. How many leases of the group each of them should hold. */
export function sharesOf(
  group: LeaseGroup,
  members: readonly Member[],
  holders: Holders,
): ReadonlyMap<string, number> {
  const able = members
    .filter(({ groups }) => groups.includes(group.name))
    .map(({ worker }) => ({ worker, held: heldBy(holders, group, worker).length }))
    .sort((a, b) => b.held - a.held || (a.worker < b.worker ? -1 : 1));
  const [least, extra] = [Math.floor(group.count / able.length), group.count % able.length];
  return new Map(able.map(({ worker }, rank) => [worker, rank < extra ? least + 1 : least]));
}

/** L1, L3: what the worker may claim now. */
export function claimable(
  group: LeaseGroup,
  members: readonly Member[],
  holders: Holders,
  worker: string,
): readonly number[] {
  const alive = new Set(members.map((member) => member.worker));
  const free = numbersOf(group).filter((number) => {
    const holder = holders.get(leaseName(group.name, number));
    return holder === undefined || !alive.has(holder);
  });
  const shares = [...sharesOf(group, members, holders)].sort(([a], [b]) => (a < b ? -1 : 1));
  let from = 0;
  for (const [able, share] of shares) {
    const lacks = Math.max(0, share - heldBy(holders, group, able).length);
    if (able === worker) return free.slice(from, from + lacks);
    from += lacks;
  }
  return [];
}

/** L2: what the worker holds beyond its share, the last of it; to be released once it is done with. */
export function surplus(
  group: LeaseGroup,
  members: readonly Member[],
  holders: Holders,
  worker: string,
): readonly number[] {
  const share = sharesOf(group, members, holders).get(worker) ?? 0;
  return heldBy(holders, group, worker).slice(share);
}

export function withHolder(holders: Holders, leases: readonly string[], worker: string): Holders {
  return new Map([...holders, ...leases.map((lease) => [lease, worker] as const)]);
}

/** Without those leases that are the worker's. */
export function without(holders: Holders, leases: readonly string[], worker: string): Holders {
  const own = new Set(leases);
  return new Map([...holders].filter(([lease, holder]) => holder !== worker || !own.has(lease)));
}

/** `{"v": 1, "holders": {lease: worker}}` */
export function encodeHolders(holders: Holders): string {
  return JSON.stringify({ v: 1, holders: Object.fromEntries(holders) });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeHolders(text: string): Holders {
  const { v, holders } = JSON.parse(text) as Record<string, unknown>;
  if (v !== 1) throw new CodedError("BATCH_VERSION_UNKNOWN", `leases of version ${v}`);
  const rows = Object.entries((holders ?? {}) as Record<string, unknown>);
  if (rows.some(([, holder]) => typeof holder !== "string"))
    throw new CodedError("BATCH_MALFORMED", `leases that cannot be read: ${text.slice(0, 80)}`);
  return new Map(rows as [string, string][]);
}
