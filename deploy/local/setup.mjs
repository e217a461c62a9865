// Makes a fresh clone ready to start and to test: packages, Node 24, nats-server, the gateway's bundle
// and the page, so that what is tested is what is shipped.
//
// npm runs it before `npm start`, `npm test` and `npm run verify`. It needs Node 20 and no package,
// writes only to node_modules/, .cache/, edge/dist/ and cloud/page/dist/ of the checkout, and is silent
// when all is there.
// S1 the stamp is removed before packages are touched and written after they are whole, so a
//    set-up that was cut short is done again;
// S2 nats-server is unpacked beside its place and moved there, so it is whole or absent.
import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isBundled } from "./bundle.mjs";
import { childEnvironment, onPath, run, runMain, SetupError, say } from "./command.mjs";
import { unpackNewer, whyNoDebian } from "./debian.mjs";
import { withLock } from "./lock.mjs";
import { buildPage, isPageBuilt } from "./page.mjs";

export const checkout = realpathSync(join(dirname(fileURLToPath(import.meta.url)), "..", ".."));

const nodeMajorWanted = 24;
const nodeMajorMin = 20;
const natsWanted = { major: 2, minor: 15 };
const natsSuites = ["forky", "sid"];
const npmMsMax = 10 * 60_000;
const versionMsMax = 10_000;
const bundleMsMax = 60_000;

/** The first version in a program's answer or a package's version, or undefined. */
export function parseVersion(text) {
  const [, major, minor, patch] = text.match(/(\d+)\.(\d+)(?:\.(\d+))?/) ?? [];
  if (major === undefined) return undefined;
  return { major: Number(major), minor: Number(minor), patch: Number(patch ?? 0) };
}

export function isAtLeast(version, wanted) {
  if (version === undefined) return false;
  if (version.major !== wanted.major) return version.major > wanted.major;
  return version.minor >= wanted.minor;
}

/** One line that changes when the installed packages would have to. */
export function stampOf({ lockfile, platform, arch, nodeMajor }) {
  const hash = createHash("sha256").update(lockfile);
  return hash.update(`\n${platform} ${arch} node ${nodeMajor}\n`).digest("hex");
}

/** True when npm's own record of node_modules has all that the lock file wants here. */
export function isInstalled({ lockfile, installed, platform, arch }) {
  const wanted = Object.entries(JSON.parse(lockfile).packages ?? {});
  const present = JSON.parse(installed).packages ?? {};
  return wanted.every(([path, entry]) => {
    if (path === "") return true;
    const found = present[path];
    if (found === undefined)
      return entry.optional === true && !isMadeForHere(entry, platform, arch);
    return ["version", "integrity", "link"].every((field) => found[field] === entry[field]);
  });
}

/**
 * npm leaves out the optional packages made for other machines, with all they need; so an absent
 * one is a fault only where it names this machine.
 */
function isMadeForHere(entry, platform, arch) {
  if (entry.os === undefined && entry.cpu === undefined) return false;
  // Which C library this is cannot be told cheaply, and the wrong one is rightly absent.
  if (entry.libc !== undefined) return false;
  return allows(entry.os, platform) && allows(entry.cpu, arch);
}

function allows(list, value) {
  if (list === undefined || list.includes(value)) return true;
  return list.every((item) => item.startsWith("!")) && !list.includes(`!${value}`);
}

/** Brings what is missing; one at a time in a checkout, and nothing is done twice. */
export async function setUp({ root = checkout, env = process.env } = {}) {
  checkNode();
  if (await isReady({ root, env })) return;
  await withLock(root, async () => {
    const childEnv = childEnvironment(env, join(root, ".cache"));
    // Both are ended before a failure is told, so that none goes on unseen.
    const parts = await Promise.allSettled([
      bringPackages({ root, env: childEnv })
        .then(() => bringBundle({ root, env: childEnv }))
        .then(() => bringPage({ root, env: childEnv })),
      bringNatsServer({ root, env: childEnv }),
    ]);
    const reasons = parts.filter((part) => part.status === "rejected").map((part) => part.reason);
    if (reasons.length === 1) throw reasons[0];
    if (reasons.length > 1) throw new AggregateError(reasons, "set-up failed twice over");
  });
}

function checkNode() {
  const version = parseVersion(process.versions.node);
  if (version.major >= nodeMajorMin) return;
  throw new SetupError(
    "SETUP_NODE_OLD",
    `this is Node ${process.versions.node}; install Node >= ${nodeMajorMin} from nodejs.org.`,
  );
}

async function isReady({ root, env }) {
  if (!hasStamp(root) || !(hasNoGateway(root) || isBundled(root))) return false;
  if (!(hasNoPage(root) || isPageBuilt(root))) return false;
  const [node, nats] = await Promise.all([isNodeRight(root), findNatsServer({ root, env })]);
  return node && nats.path !== undefined;
}

const stampPath = (root) => join(root, "node_modules", ".setup-stamp");

function wantedStamp(root) {
  const { platform, arch } = process;
  const lockfile = textOf(join(root, "package-lock.json"));
  if (lockfile !== undefined) {
    return stampOf({ lockfile, platform, arch, nodeMajor: nodeMajorWanted });
  }
  throw new SetupError(
    "SETUP_LOCKFILE_MISSING",
    `${root} has no package-lock.json; run this in a checkout, or: git checkout package-lock.json`,
  );
}

function hasStamp(root) {
  return textOf(stampPath(root)) === wantedStamp(root);
}

async function isNodeRight(root) {
  return (await versionOf(nodeBinary(root), "-v"))?.major === nodeMajorWanted;
}

const nodeBinary = (root) => join(root, "node_modules", "node", "bin", "node");

async function bringPackages({ root, env }) {
  if (!hasStamp(root)) await installPackages({ root, env });
  if (!(await isNodeRight(root))) await rebuildNode({ root, env });
  const spare = `${stampPath(root)}.${randomUUID()}`;
  writeFileSync(spare, wantedStamp(root));
  renameSync(spare, stampPath(root));
}

async function installPackages({ root, env }) {
  if (isInstalledByHand(root)) return;
  rmSync(stampPath(root), { force: true }); // S1
  say("installing packages (npm ci) …");
  // Development packages are wanted even where NODE_ENV or npm's settings leave them out.
  const { code, output } = await npm({ root, env, args: ["ci", "--include=dev"] });
  if (code === 0) return;
  throw new SetupError(
    "SETUP_NPM_CI",
    `npm ci in ${root} ended with ${code}:\n${output}\n` +
      "If a package is missing from the lock file, run npm install and commit package-lock.json; " +
      "if the registry did not answer, run this again.",
  );
}

/** After `npm install` or `npm ci` by hand there is nothing left to install. */
function isInstalledByHand(root) {
  const lockfile = textOf(join(root, "package-lock.json"));
  const installed = textOf(join(root, "node_modules", ".package-lock.json"));
  if (lockfile === undefined || installed === undefined) return false;
  return isInstalled({ lockfile, installed, platform: process.platform, arch: process.arch });
}

async function rebuildNode({ root, env }) {
  say(`installing Node ${nodeMajorWanted} (npm rebuild node) …`);
  const args = ["rebuild", "node", "--ignore-scripts=false"];
  const { code, output } = await npm({ root, env, args });
  if (await isNodeRight(root)) return;
  throw new SetupError(
    "SETUP_NODE_MISSING",
    `${nodeBinary(root)} is not Node ${nodeMajorWanted}; npm rebuild node ended with ${code}:\n` +
      `${output}\nAllow the install script of the package "node" in npm's settings, then run ` +
      "this again. (The package has no Node for Alpine and others with musl.)",
  );
}

const hasNoGateway = (root) => !existsSync(join(root, "edge/src/main.ts"));

/** Without it the gateway runs from its source, which is no reason to stop here. */
async function bringBundle({ root, env }) {
  if (hasNoGateway(root) || isBundled(root)) return;
  const program = join(root, "deploy/local/bundle.mjs");
  const { code, output } = await run(nodeBinary(root), [program], { env, timeoutMs: bundleMsMax });
  if (code !== 0) say(`the gateway's bundle could not be made (${code}):\n${output}`);
}

const hasNoPage = (root) => !existsSync(join(root, "cloud/page/index.html"));

/** Without it the cloud runs all the same, and says at its address what to do. */
async function bringPage({ root, env }) {
  if (hasNoPage(root) || isPageBuilt(root)) return;
  await buildPage(root, { env }).catch((failure) =>
    say(`the page could not be built: ${failure.message}`),
  );
}

async function npm({ root, env, args }) {
  const quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  const options = { cwd: root, env, timeoutMs: npmMsMax };
  // The npm that runs this script, where there is one, is better than another on PATH.
  const own = env.npm_execpath ?? "";
  if (basename(own).startsWith("npm")) {
    return run(process.execPath, [own, ...args, ...quiet], options);
  }
  const path = onPath("npm", env);
  if (path !== undefined) return run(path, [...args, ...quiet], options);
  throw new SetupError(
    "SETUP_NPM_MISSING",
    "npm is not on PATH; install it with Node (nodejs.org).",
  );
}

/** `path` of a fitting nats-server, or undefined with what was `refused`. */
export async function findNatsServer({ root = checkout, env = process.env } = {}) {
  const named = env.NATS_SERVER;
  if (named) return { path: await checkedNatsServer(named), refused: [] };
  const refused = [];
  for (const path of [natsCached(root), onPath("nats-server", env)]) {
    if (path === undefined) continue;
    const version = await versionOf(path, "-v");
    if (isAtLeast(version, natsWanted)) return { path, refused };
    if (version !== undefined) refused.push(`${path} is ${textOfVersion(version)}`);
  }
  return { path: undefined, refused };
}

const natsCached = (root) => join(root, ".cache", "nats-server");

/** A server that was named by hand is used or refused, never passed over in silence. */
async function checkedNatsServer(path) {
  const version = await versionOf(path, "-v");
  if (isAtLeast(version, natsWanted)) return path;
  const found = version === undefined ? "is no nats-server" : `is ${textOfVersion(version)}`;
  throw new SetupError(
    "SETUP_NATS_NAMED",
    `NATS_SERVER=${path} ${found}; name one >= ${textOfVersion(natsWanted)}, or unset it.`,
  );
}

async function bringNatsServer({ root, env }) {
  const { path, refused } = await findNatsServer({ root, env });
  if (path !== undefined) return;
  const obstacle = whyNoDebian(env);
  if (obstacle !== undefined) throw natsMissing([...refused, obstacle]);
  say("bringing nats-server (Debian package, unpacked in .cache) …");
  const folder = join(root, ".cache", `nats-server.${randomUUID()}`);
  try {
    const accepts = (text) => isAtLeast(parseVersion(text), natsWanted);
    await unpackNewer({ name: "nats-server", suites: natsSuites, accepts, target: folder, env });
    await placeNatsServer(root, folder);
  } catch (error) {
    throw natsMissing([...refused, error.message], error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function placeNatsServer(root, folder) {
  for (const place of ["usr/bin", "usr/sbin"]) {
    const binary = join(folder, place, "nats-server");
    if (!isAtLeast(await versionOf(binary, "-v"), natsWanted)) continue;
    renameSync(binary, natsCached(root)); // S2
    return;
  }
  throw new Error("the package's nats-server does not run on this machine");
}

function natsMissing(reasons, cause) {
  const wanted = textOfVersion(natsWanted);
  return new SetupError(
    "SETUP_NATS_MISSING",
    `no nats-server >= ${wanted}:\n${reasons.map((reason) => `- ${reason}`).join("\n")}\n` +
      `Install nats-server >= ${wanted} from nats.io (macOS: brew install nats-server) so that ` +
      "it is on PATH, or set NATS_SERVER=/path/to/nats-server, then run this again.",
    { cause },
  );
}

async function versionOf(path, flag) {
  const { code, output } = await run(path, [flag], { env: {}, timeoutMs: versionMsMax });
  return code === 0 ? parseVersion(output) : undefined;
}

function textOfVersion({ major, minor, patch }) {
  return [major, minor, patch].filter((part) => part !== undefined).join(".");
}

function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

export function isMain(moduleUrl) {
  const started = process.argv[1];
  return started !== undefined && realpathSync(started) === fileURLToPath(moduleUrl);
}

if (isMain(import.meta.url)) await runMain(() => setUp());
