/** Writes shared/schema/ anew: `node shared/src/system-write-schemas.ts`. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { schemaFiles } from "./schemas.ts";

const folder = join(import.meta.dirname, "../schema");
rmSync(folder, { recursive: true, force: true });
for (const [name, text] of schemaFiles()) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}
