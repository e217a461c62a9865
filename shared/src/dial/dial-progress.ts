/** How far a dial has come: it ends at one of these steps, in this order, or is up. */
import type { ServerAddress } from "./server-address.ts";

export const dialSteps = [
  "name",
  "connect",
  "proxy",
  "tls",
  "websocket",
  "hello",
  "login",
] as const;
export type DialStep = (typeof dialSteps)[number];

export class DialProgress {
  /** The one that is dialled, or was last. */
  server: ServerAddress | undefined;
  /** Through which, `host:port`; undefined where it is reached directly. */
  proxy: string | undefined;
  step: DialStep = "name";
  readonly #told: (step: DialStep, detail: string) => void;

  /** `told` hears of each step that succeeded. */
  constructor(told: (step: DialStep, detail: string) => void = () => {}) {
    this.#told = told;
  }

  begin(server: ServerAddress, proxy: string | undefined): void {
    this.server = server;
    this.proxy = proxy;
    this.step = "name";
  }

  /** `step` has succeeded, and `next` is tried. */
  passed(step: DialStep, detail: string, next: DialStep): void {
    this.#told(step, detail);
    this.step = next;
  }
}
