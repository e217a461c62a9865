/** The deployment's alerts in memory, for tests. */
import type { AlertMessage, AlertTransition } from "../alert.ts";
import type { AlertSubjects, LastTold } from "../deployment-alert.ts";

export class MemoryAlertSubjects implements AlertSubjects {
  readonly told: AlertTransition[] = [];
  readonly #last = new Map<string, LastTold>();
  #sequence = 0;

  async last(subject: string): Promise<LastTold | undefined> {
    return this.#last.get(subject);
  }

  async append(subject: string, message: AlertMessage, expectedLast: number): Promise<boolean> {
    const transition = message.transitions.at(-1);
    if ((this.#last.get(subject)?.sequence ?? 0) !== expectedLast || transition === undefined) {
      return false;
    }
    this.#last.set(subject, { sequence: ++this.#sequence, transition });
    this.told.push(transition);
    return true;
  }
}
