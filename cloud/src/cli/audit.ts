/** What `causeway-cloud audit` prints: the committed ledger, and what is not explained in it. */
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Mark, Stretch } from "@causeway/shared/mark.ts";

export interface AuditLine {
  readonly gateway: string;
  readonly epoch: string;
  readonly log: Log;
  readonly through: number;
  readonly end: number | null;
  readonly stretches: readonly Stretch[];
}

export function auditLines(marks: readonly Mark[]): readonly AuditLine[] {
  return marks.flatMap(({ gateway, epochs }) =>
    epochs.flatMap(({ epoch, logs: states }) =>
      logs.map((log) => {
        const { through, end, stretches } = states[log];
        return { gateway, epoch, log, through, end: end ?? null, stretches };
      }),
    ),
  );
}

/** An epoch that has ended and was not taken to its end. */
export function isIncomplete({ through, end }: AuditLine): boolean {
  return end !== null && through < end;
}
