/** Tells alerts to the log: a line with `"msg":"alert"` each. */
import type { Logger } from "@causeway/shared/log.ts";
import { titleOf } from "./message.ts";
import type { Receiver } from "./receiver.ts";

export function logReceiver(name: string, log: Logger): Receiver {
  return {
    name,
    takesLate: true,
    deliver(transition) {
      const fields = { receiver: name, title: titleOf(transition), ...transition };
      if (transition.state === "firing") log.warn(fields, "alert");
      else log.info(fields, "alert");
      return Promise.resolve({ kind: "delivered" });
    },
  };
}
