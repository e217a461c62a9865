import { connectionContract } from "./connection.contract.ts";
import { MemoryBroker } from "./memory-connection.ts";

connectionContract("the connection in memory", async () => {
  const broker = new MemoryBroker();
  return {
    connect: (windowMax, listener) => broker.connect(windowMax, listener),
    received: () => broker.received.map(({ payload }) => payload),
    untilReceived: async () => {},
    silence: () => broker.silence(),
    away: async () => broker.away(),
    back: async () => broker.back(),
    stop: async () => {},
  };
});
