// The gateway as one JavaScript file in edge/dist, with its native addon beside it; docs/decisions.md
// says why. `npm run build` makes it, and the set-up does where it is older than what it is made of.
//
// edge/bin/causeway-edge runs it only where no file that it was made of has changed since:
// B1 `inputs` names all of them, with packages' files, the lock file and this one; what is changed,
//    removed or replaced shows in a file's ctime, which nothing can set back;
// B2 the bundle bears the time when its making began, so that an edit meanwhile makes it old.
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = realpathSync(fileURLToPath(import.meta.url));
const addon = "classic-level.node";

/** True where the bundle is there and nothing that it is made of has changed since. */
export function isBundled(root) {
  const dist = join(root, "edge/dist");
  try {
    const { mtimeMs } = statSync(join(dist, "causeway-edge.js"));
    const inputs = readFileSync(join(dist, "inputs"), "utf8").trim().split("\n");
    return inputs.every((input) => statSync(join(root, input)).ctimeMs <= mtimeMs);
  } catch {
    return false;
  }
}

/** `dist` is elsewhere for a gateway that is to be copied, or tried. */
export async function bundle(root, dist = join(root, "edge/dist")) {
  const began = new Date();
  const { rolldown } = await import("rolldown");
  const build = await rolldown({
    input: join(root, "edge/src/main.ts"),
    platform: "node",
    plugins: [addonBeside],
  });
  const { output } = await build.generate({
    format: "esm",
    codeSplitting: false,
    // Names stay, for stack traces and for what a log says of an error.
    keepNames: true,
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    comments: { legal: false },
  });
  await build.close();
  const [chunk] = output;
  const prebuilt = addonFor(root);
  const modules = Object.keys(chunk.modules).filter((id) => existsSync(id));
  const files = [...modules, prebuilt, join(root, "package-lock.json"), here];
  const inputs = files.map((path) => relative(realpathSync(root), realpathSync(path)));
  const unnamable = inputs.find((path) => /[\s*?[]/.test(path) || path.startsWith(".."));
  if (unnamable !== undefined) throw new Error(`${unnamable}: the launcher cannot name this file`);
  mkdirSync(dist, { recursive: true });
  place(join(dist, addon), readFileSync(prebuilt));
  place(join(dist, "licenses.txt"), licensesOf(root, inputs));
  place(join(dist, "inputs"), `${inputs.sort().join("\n")}\n`);
  place(join(dist, "causeway-edge.js"), asciiOnly(withoutFacades(chunk.code)), began); // B2
}

/** The binding looks through its package for an addon that fits; here it was found beforehand. */
const addonBeside = {
  name: "addon-beside",
  resolveId: (id, importer) =>
    id === "./binding" && importer?.includes("/classic-level/") ? "\0binding" : undefined,
  load: (id) =>
    id === "\0binding"
      ? `module.exports = require("node:module").createRequire(import.meta.url)("./${addon}");`
      : undefined,
};

function addonFor(root) {
  const level = createRequire(join(root, "node_modules/level/index.js"));
  const folder = dirname(level.resolve("classic-level/package.json"));
  return createRequire(join(folder, "index.js"))("node-gyp-build").path(folder);
}

/**
 * An import of Node's own module reads all that the module has, for its names to be bound, and what is
 * loaded when it is first read is loaded then: with `node:http` it is a WebSocket client, 6 MB.
 */
export function withoutFacades(code) {
  const head = /^(?:import[^;"]*"[^"]+";)+/.exec(code)?.[0] ?? "";
  const wanted = /import(?:([\w$]+),?)?(?:(\{[^}]*\}))? ?from"(?!node:module")([^"]+)";/g;
  const spaced = head.replace(/import (?=[\w$])/g, "import");
  const got = spaced.replace(wanted, (_import, whole, names, name) => {
    const module = `process.getBuiltinModule("${name}")`;
    const bound = names?.replaceAll(" as ", ":");
    return [whole, bound]
      .filter((to) => to !== undefined)
      .map((to) => `const ${to}=${module};`)
      .join("");
  });
  if (/from"(?!node:module")/.test(got)) throw new Error("an import cannot be rewritten");
  return got + code.slice(head.length);
}

/** V8 keeps a source text with one other character in two bytes for each: 5 MB of the process. */
function asciiOnly(code) {
  // After a backslash, or in a raw template, an escape would mean something else.
  if (/\\[^\0-\x7f]|String\.raw`[^`]*[^\0-\x7f]/.test(code))
    throw new Error("a character cannot be escaped");
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return code.replace(/[^\0-\x7f]/g, escaped);
}

/** What the packages want to be told wherever they go. */
function licensesOf(root, inputs) {
  const folders = inputs.map((path) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
  const texts = [...new Set(folders)].flatMap((folder) => {
    if (folder === undefined) return [];
    const name = readdirSync(join(root, folder)).find((file) => /^licen[cs]e/i.test(file));
    const { license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const text = name === undefined ? license : readFileSync(join(root, folder, name), "utf8");
    return [`${folder.replace("node_modules/", "")}\n\n${text.trim()}\n`];
  });
  return texts.join(`\n${"-".repeat(80)}\n`);
}

/** Whole or not at all, for others may run it meanwhile. */
function place(path, content, modified) {
  const spare = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  writeFileSync(spare, content);
  if (modified !== undefined) utimesSync(spare, modified, modified);
  renameSync(spare, path);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === here) {
  await bundle(join(dirname(here), "../.."), process.argv[2]);
}
