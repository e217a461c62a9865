/** What a mark says of a gateway's history. */
import { logs } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";

/** Whether each epoch that has ended, as far as is known, was taken to its end. */
export function owesNothing({ epochs }: Mark): boolean {
  return epochs.every(({ logs: own }) =>
    logs.every((log) => {
      const { through, end } = own[log];
      return end === undefined || through >= end;
    }),
  );
}
