/** Tells alerts to the log: a line with `"msg":"alert"` each, and `"msg":"report"` for a report. */
import type { Logger } from "../log.ts";
import { titleOf } from "./message.ts";
import type { Receiver } from "./receiver.ts";

export function logReceiver(name: string, log: Logger): Receiver {
  return {
    name,
    deliver({ firing, resolved, omitted, reason: because, report }) {
      if (report !== undefined) {
        const { title, summary } = report;
        log.info({ receiver: name, title, summary }, "report");
        return Promise.resolve({ kind: "delivered" });
      }
      const told = because === "new" ? {} : { because };
      for (const transition of [...firing, ...resolved]) {
        const fields = { receiver: name, title: titleOf(transition), ...transition, ...told };
        if (transition.state === "firing") log.warn(fields, "alert");
        else log.info(fields, "alert");
      }
      if (omitted > 0) log.info({ receiver: name, omitted, ...told }, "more alerts");
      return Promise.resolve({ kind: "delivered" });
    },
  };
}
