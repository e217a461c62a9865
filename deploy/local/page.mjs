// The page in cloud/page/dist; `npm run build` makes it, and the set-up does where what it is made
// of has changed since. It is known by a hash of that, so a copy of the checkout is no reason.
import { createHash } from "node:crypto";
import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "./command.mjs";

const here = realpathSync(fileURLToPath(import.meta.url));
const buildMsMax = 120_000;

/** True where the page was built from what stands there now. */
export function isPageBuilt(root) {
  try {
    return readFileSync(stampPath(root), "utf8") === stampOf(root);
  } catch {
    return false;
  }
}

const stampPath = (root) => join(root, "cloud/page/dist/.stamp");

function stampOf(root) {
  const page = join(root, "cloud/page");
  const names = readdirSync(page, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.startsWith(join(page, "dist")))
    .sort();
  const hash = createHash("sha256");
  // The one file of others that is more than types to the page.
  const shared = join(root, "shared/src/rules/selector.ts");
  for (const path of [...names, shared, join(root, "package-lock.json"), here]) {
    hash
      .update(`${path.slice(root.length)}\n`)
      .update(readFileSync(path))
      .update("\n");
  }
  return `${hash.digest("hex")}\n`;
}

/** Throws with what vite says. */
export async function buildPage(root, { env = process.env } = {}) {
  const stamp = stampOf(root); // of before: an edit meanwhile makes it old
  rmSync(stampPath(root), { force: true });
  const vite = join(root, "node_modules/vite/bin/vite.js");
  const own = join(root, "node_modules/node/bin/node");
  // An image has Node by itself.
  const node = existsSync(own) ? own : process.execPath;
  const args = [vite, "build", join(root, "cloud/page")];
  const { code, output } = await run(node, args, { cwd: root, env, timeoutMs: buildMsMax });
  if (code !== 0) throw new Error(`vite build ended with ${code}:\n${output}`);
  writeFileSync(stampPath(root), stamp);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === here) {
  await buildPage(join(dirname(here), "../.."));
}
