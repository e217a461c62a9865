/** Looks now and then at what is bounded, and tells once where something was beyond its bound. */
import { Beyond } from "./rows.ts";

export interface Bound {
  /** Of the `system` event. */
  readonly name: string;
  /** How often something was beyond it. */
  readonly beyond: number;
  readonly detail: string;
}

export class BoundWatch {
  readonly #tell: (name: string, detail: string) => void;
  readonly #known = new Map<string, { beyond: number; readonly told: Beyond }>();

  constructor(tell: (name: string, detail: string) => void) {
    this.#tell = tell;
  }

  look(bounds: readonly Bound[], nowMs: number): void {
    for (const { name, beyond, detail } of bounds) {
      const known = this.#known.get(name) ?? {
        beyond: 0,
        told: new Beyond((text) => this.#tell(name, text)),
      };
      this.#known.set(name, known);
      if (beyond > known.beyond) known.told.happened(nowMs, () => detail);
      known.beyond = beyond;
    }
  }
}
