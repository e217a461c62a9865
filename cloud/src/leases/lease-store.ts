/** The bucket LEASES: the beats of workers, and one table of who holds what. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { Member } from "./lease-table.ts";

export interface Worker extends Member {
  /** Shown to operators. */
  readonly name: string;
  /** The machine, as far as processes on it can be told apart by `pid`; empty where they cannot. */
  readonly machine: string;
  readonly pid: number;
}

export interface StoredWorker extends Worker {
  /** Another one with every beat. */
  readonly revision: number;
}

export interface StoredTable {
  readonly text: string | undefined;
  /** What the next write expects; 0 where there is none. */
  readonly revision: number;
}

/** Everything rejects where there is no answer. */
export interface LeaseStore {
  beat(worker: Worker): Promise<void>;
  leave(worker: string): Promise<void>;
  workers(): Promise<readonly StoredWorker[]>;
  /** From the leader. */
  table(): Promise<StoredTable>;
  /** False where another revision is there. */
  write(text: string, expected: number): Promise<boolean>;
}

/** `{"v": 1, "worker", "name", "machine", "pid", "groups"}` */
export function encodeWorker({ worker, name, machine, pid, groups }: Worker): string {
  return JSON.stringify({ v: 1, worker, name, machine, pid, groups });
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeWorker(text: string): Worker {
  const { v, worker, name, machine, pid, groups } = JSON.parse(text) as Record<string, unknown>;
  if (v !== 1) throw new CodedError("BATCH_VERSION_UNKNOWN", `a worker of version ${v}`);
  if (typeof worker !== "string" || typeof pid !== "number" || !Array.isArray(groups))
    throw new CodedError("BATCH_MALFORMED", `a worker that cannot be read: ${text.slice(0, 80)}`);
  return { worker, pid, name: `${name}`, machine: `${machine}`, groups: groups.map(String) };
}
