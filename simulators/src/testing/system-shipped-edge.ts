/** The gateway as an image has it: launcher, bundle, addon and Node, and nothing of this checkout. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../../..");

export interface ShippedEdge {
  readonly folder: string;
  readonly launcher: `/${string}`;
  remove(): void;
}

/** The bundle is made now, so that it is that of the source as it stands. */
export function shippedEdge(): ShippedEdge {
  const folder = mkdtempSync(join(tmpdir(), "causeway-shipped-edge-"));
  const bundler = join(checkout, "deploy/local/bundle.mjs");
  execFileSync(process.execPath, [bundler, join(folder, "edge/dist")]);
  cpSync(join(checkout, "edge/bin"), join(folder, "edge/bin"), { recursive: true });
  mkdirSync(join(folder, "node_modules/node/bin"), { recursive: true });
  symlinkSync(process.execPath, join(folder, "node_modules/node/bin/node"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { folder, launcher: join(folder, "edge/bin/causeway-edge") as `/${string}`, remove };
}
