/**
 * How far the journal may be purged. Pure.
 *
 *   F1  Nothing that any partition's newest snapshot, or any registered reader, has not passed is
 *       purged; one that has no place in this journal holds all of it.
 *   F2  The message at the floor stays: by it the lowest of them knows the journal again.
 *   F3  What is younger than the wanted replay time stays too, unless the journal is pressed for
 *       room; then the oldest of it goes, no more than is needed.
 *   F4  The floor is never beyond the last message: purging there would move the stream's sequence.
 */

/** What keeps the journal from a message on. */
export interface Hold {
  /** As operators read it. */
  readonly by: string;
  /** It has passed everything up to here; 0 holds everything. */
  readonly sequence: number;
}

export interface Bounds {
  readonly first: number;
  /** One below the first where the journal is empty. */
  readonly last: number;
}

export interface Floor {
  /** Messages before it may go. */
  readonly sequence: number;
  readonly heldBy: string;
}

/** F1, F4. The lowest of the holds. */
export function hardFloor(holds: readonly Hold[], { last }: Bounds): Floor {
  let lowest: Floor = { sequence: last, heldBy: "the journal's last message" };
  for (const { by, sequence } of holds) {
    if (sequence < lowest.sequence) lowest = { sequence, heldBy: by };
  }
  return lowest;
}

/** F3. `replay` is the first message that is young enough to be kept for replays. */
export function floorWith(hard: Floor, replay: number, needed: number): Floor {
  const soft = Math.max(replay, needed);
  return soft < hard.sequence ? { sequence: soft, heldBy: "the wanted replay time" } : hard;
}

export interface Filling {
  readonly bytes: number;
  readonly bytesMax: number;
}

export interface StreamState extends Bounds, Filling {
  readonly messages: number;
}

/** Full streams push back from here on, and until there is room again. */
export const pressedPercent = 85;
export const relievedPercent = 75;

/** Gateways wait, or commits do: the next batch or commit may not fit any more. */
export const fullPercent = 99;

export function percentOf({ bytes, bytesMax }: Filling): number {
  return bytesMax > 0 ? (bytes / bytesMax) * 100 : 0;
}

/** Undefined where it lies between the two bounds and nothing is known of before. */
export function isPressed(filling: Filling, before: boolean | undefined): boolean | undefined {
  const percent = percentOf(filling);
  if (percent >= pressedPercent) return true;
  return percent < relievedPercent ? false : before;
}

/** The floor by which the stream would be relieved; by the mean size of its messages. */
export function reliefSequence({ first, messages, bytes, bytesMax }: StreamState): number {
  const excess = bytes - (bytesMax * (relievedPercent - 1)) / 100;
  if (excess <= 0 || bytes === 0) return first;
  return first + Math.ceil((messages * excess) / bytes);
}
