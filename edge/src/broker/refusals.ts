/** What is answered where the broker does not do what it is asked for. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { BrokerListener } from "./broker.ts";

export const notReady: Pick<BrokerListener, "publish"> = {
  publish: (_publish, settle) =>
    settle(new CodedError("BROKER_LISTEN_FAILED", "the gateway is not ready")),
};

/** MQTT 3.1.1 table 3.1: 2 identifier rejected, 3 unavailable, 5 not authorised. */
export function refused(returnCode: number) {
  return Object.assign(new Error(`refused by return code ${returnCode}`), { returnCode });
}
