import { MemoryDisk } from "../outbox/memory-store.ts";
import { ledgerContract } from "./ledger.contract.ts";

ledgerContract("memory", async () => {
  const disk = new MemoryDisk();
  return {
    open: async () => disk.open(),
    crash: async () => disk.crash(),
    remove: async () => {},
  };
});
