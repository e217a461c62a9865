/** Finds event ids that come twice; the readings of one event follow one another. */
import { NumberRanges } from "./number-ranges.ts";

/** `repeated`: the first line of a second copy; `copy`: its further lines. */
export type IdState = "new" | "repeated" | "copy";

interface EpochLog {
  readonly positions: NumberRanges;
  open: number;
  openState: IdState;
  places: NumberRanges;
}

export class EventIds {
  readonly #logs = new Map<string, EpochLog>();

  /** `log` names an epoch's log in full, `gateway/epoch/log`. */
  see(log: string, position: number, place: number): IdState {
    const state = this.#logs.get(log) ?? newLog();
    this.#logs.set(log, state);
    if (position === state.open && state.places.add(place)) {
      return state.openState === "new" ? "new" : "copy";
    }
    const fresh = state.positions.add(position);
    state.open = position;
    state.openState = fresh ? "new" : "repeated";
    state.places = new NumberRanges();
    state.places.add(place);
    return state.openState;
  }
}

function newLog(): EpochLog {
  return {
    positions: new NumberRanges(),
    open: -1,
    openState: "new",
    places: new NumberRanges(),
  };
}
