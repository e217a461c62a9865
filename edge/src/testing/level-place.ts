/** A LevelDB folder that outlives the stores which are opened on it. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codeOf } from "@causeway/shared/errors.ts";
import { openLevelStore } from "../outbox/level-store.ts";
import type { StorePlace } from "../outbox/store.contract.ts";
import type { Store } from "../outbox/store.ts";

/** False where a file went away meanwhile. */
function copied(from: string, to: string): boolean {
  try {
    cpSync(from, to, { recursive: true, filter: (path) => !path.endsWith("LOCK") });
    return true;
  } catch (failure) {
    if (codeOf(failure) !== "ENOENT") throw failure;
    return false;
  }
}

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
      // A killed process leaves one moment, and LevelDB may be at work on its files.
      for (let isOneMoment = false; !isOneMoment; ) {
        rmSync(folder(), { recursive: true, force: true });
        const before = readdirSync(from).join();
        isOneMoment = copied(from, folder()) && readdirSync(from).join() === before;
      }
      await store?.close();
    },
    async remove() {
      await store?.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
}
