/** How a lane follows a mark. */
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import type { Cursor, Lane, Sent } from "./lane.ts";
import type { UplinkAction } from "./uplink-event.ts";

export type Throughs = ReadonlyMap<string, Mark["epochs"][number]["logs"]>;

export function throughsOf(found: Mark | undefined): Throughs {
  return new Map(found?.epochs.map(({ epoch, logs }) => [epoch, logs]));
}

/** A mark is not believed beyond what this outbox holds. */
export function throughIn(throughs: Throughs, { log }: Lane, { epoch, last }: Cursor): number {
  return Math.min(last, throughs.get(epoch)?.[log].through ?? 0);
}

/** U2. After a rollback too: what is taken no longer must not be given up as tail. */
export function follow(lane: Lane, throughs: Throughs, actions: UplinkAction[]) {
  const moved = { up: false, down: false };
  for (const cursor of lane.cursors) {
    const through = throughIn(throughs, lane, cursor);
    if (through === cursor.through) continue;
    if (through > cursor.through) moved.up = true;
    else moved.down = true;
    actions.push({ kind: "release", epoch: cursor.epoch, log: lane.log, through });
    cursor.through = through;
    if (cursor.next <= through) cursor.next = through + 1;
  }
  lane.sent = lane.sent.filter((sent) => sent.to > sent.cursor.through);
  return moved;
}

/** U5: what an earlier process sent has no nonce any more, only its place. */
export function isAbout(doubt: Doubt, { nonce, cursor, to }: Sent, { log }: Lane): boolean {
  if (nonce !== undefined) return doubt.nonce === nonce;
  const { epoch, expected } = doubt;
  if (epoch !== cursor.epoch || doubt.log !== log) return false;
  return expected > cursor.through && expected <= to;
}
