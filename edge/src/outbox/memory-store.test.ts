/** Goal: the store in memory keeps the contract, and its faults are those of a disk. */
import { describe, expect, test } from "vitest";
import { MemoryDisk } from "./memory-store.ts";
import { storeContract } from "./store.contract.ts";

storeContract("memory", async () => {
  const disk = new MemoryDisk();
  return {
    open: async () => disk.open(),
    crash: async () => disk.crash(),
    remove: async () => {},
  };
});

describe("faults", () => {
  const key = Buffer.from("k");
  const change = (value: string) => [{ kind: "put", key, value: Buffer.from(value) } as const];
  const sync = { sync: true };

  test("a crash loses what was not synced", async () => {
    const disk = new MemoryDisk();
    const store = disk.open();
    await store.write(change("synced"), sync);
    await store.write(change("not synced"), { sync: false });
    disk.crash();
    expect(await disk.open().get(key)).toEqual(Uint8Array.from(Buffer.from("synced")));
  });

  test("a store of before the crash is dead and writes nothing any more", async () => {
    const disk = new MemoryDisk();
    const zombie = disk.open();
    const late = zombie.write(change("late"), sync);
    disk.crash();
    const store = disk.open();
    await expect(late).rejects.toThrow();
    await expect(zombie.write(change("later"), sync)).rejects.toThrow();
    await zombie.close();
    expect(await store.get(key)).toBeUndefined();
    expect(() => disk.open(), "the zombie's close frees no lock").toThrow("OUTBOX_LOCKED");
  });

  test.each(["lost", "appear-later"] as const)(
    "the bytes of a failed write are %s",
    async (fate) => {
      const disk = new MemoryDisk();
      const store = disk.open();
      disk.failedBytes = fate;
      disk.failure = new Error("input/output error");
      await expect(store.write(change("failed"), sync)).rejects.toBe(disk.failure);
      expect(await store.get(key)).toBeUndefined();
      disk.failure = undefined;
      await store.close();
      expect((await disk.open().get(key)) !== undefined).toBe(fate === "appear-later");
    },
  );
});
