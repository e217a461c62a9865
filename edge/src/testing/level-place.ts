/** A LevelDB folder that outlives the stores which are opened on it. */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLevelStore } from "../outbox/level-store.ts";
import type { StorePlace } from "../outbox/store.contract.ts";
import type { Store } from "../outbox/store.ts";

export async function levelPlace(): Promise<StorePlace> {
  const base = mkdtempSync(join(tmpdir(), "causeway-store-"));
  let lives = 1;
  let store: Store | undefined;
  const folder = () => join(base, `${lives}`);
  return {
    async open() {
      const opened = await openLevelStore(folder());
      store = opened;
      return opened;
    },
    /** What is in the files at this moment is what a killed process leaves. */
    async crash() {
      const from = folder();
      lives++;
      cpSync(from, folder(), { recursive: true, filter: (path) => !path.endsWith("LOCK") });
      await store?.close();
    },
    async remove() {
      await store?.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
}
