// The programs that some tests want: `node deploy/local/tools.mjs NAME…` prints one path a line.
//
// A tool on PATH or at its usual place is taken. Else its Debian package is unpacked in
// .cache/tools/NAME/, with the libraries that the system lacks and a wrapper that names them; a
// tool marked `system` is installed in the system instead where we are root.
import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { isExecutable, onPath, run, runMain, SetupError, say } from "./command.mjs";
import { installPackages, unpackWithLibraries, whyNoDebian } from "./debian.mjs";
import { withLock } from "./lock.mjs";
import { checkout, isMain, parseVersion } from "./setup.mjs";

const versionMsMax = 30_000;
const chromeOnMacOs = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/** `programs` are those to run in a folder where the package was unpacked, the tool first. */
const tools = {
  mosquitto: {
    commands: ["mosquitto"],
    places: () => ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"],
    packages: ["mosquitto"],
    programs: (root) => [join(root, "usr/sbin/mosquitto")],
    versionFlag: "-h",
  },
  chromium: {
    commands: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    places: () => [chromeOnMacOs],
    packages: ["chromium"],
    programs: (root) => [join(root, "usr/lib/chromium/chromium")],
    versionFlag: "--version",
    system: true,
  },
  promtool: {
    commands: ["promtool"],
    places: () => [],
    packages: ["prometheus"],
    programs: (root) => [join(root, "usr/bin/promtool")],
    versionFlag: "--version",
  },
  /** Its templates have a fixed place in the system: unpacked elsewhere it would not start. */
  alertmanager: {
    commands: ["prometheus-alertmanager", "alertmanager"],
    places: () => [],
    packages: ["prometheus-alertmanager"],
    programs: (root) => [join(root, "usr/bin/prometheus-alertmanager")],
    versionFlag: "--version",
    system: true,
  },
  strace: {
    commands: ["strace"],
    places: () => [],
    packages: ["strace"],
    programs: (root) => [join(root, "usr/bin/strace")],
    versionFlag: "-V",
  },
  /** The server; initdb, pg_ctl and psql stand in the same folder. */
  postgresql: {
    commands: ["postgres"],
    places: () => postgresServers("/"),
    packages: ["postgresql"],
    programs: (root) => postgresServers(root).slice(0, 1).flatMap(withNeighbours),
    versionFlag: "--version",
    system: true,
  },
};

const toolNames = Object.keys(tools);

/** Newest first: Debian keeps each major version in a folder of its own, off PATH. */
function postgresServers(root) {
  const folder = join(root, "usr/lib/postgresql");
  const versions = existsSync(folder) ? readdirSync(folder).map(Number) : [];
  const newestFirst = versions.filter(Number.isInteger).sort((a, b) => b - a);
  return newestFirst.map((version) => join(folder, String(version), "bin/postgres"));
}

function withNeighbours(program) {
  const folder = dirname(program);
  const others = readdirSync(folder).filter((name) => name !== basename(program));
  return [program, ...others.map((name) => join(folder, name))];
}

function toolOf(name) {
  if (Object.hasOwn(tools, name)) return tools[name];
  throw new SetupError(
    "SETUP_TOOL_UNKNOWN",
    `there is no tool "${name}"; name one or more of ${toolNames.join(", ")}.`,
  );
}

/** The path of a tool that is there, or undefined; brings nothing. */
export function toolPath(name, { root = checkout, env = process.env } = {}) {
  const tool = toolOf(name);
  const onPaths = tool.commands.map((command) => onPath(command, env));
  const unpacked = join(toolFolder(root, name), "bin", tool.commands[0]);
  const path = [...onPaths, ...tool.places(), unpacked].find(
    (place) => place !== undefined && isExecutable(place),
  );
  // A link on PATH would hide the programs that stand beside the true server.
  return path !== undefined && name === "postgresql" ? realpathSync(path) : path;
}

/**
 * For tests that are skipped without a tool, which is told: its path, or undefined. Where
 * CAUSEWAY_REQUIRE names the tool, doing without it is an error.
 */
export function wantedTool(name, { root = checkout, env = process.env } = {}) {
  const path = toolPath(name, { root, env });
  if (path !== undefined) return path;
  if ((env.CAUSEWAY_REQUIRE ?? "").split(/[ ,]+/).includes(name))
    throw toolMissing(name, "CAUSEWAY_REQUIRE names it");
  process.stderr.write(`SKIPPED, ${name} is not here: node deploy/local/tools.mjs ${name}\n`);
  return undefined;
}

const toolFolder = (root, name) => join(root, ".cache", "tools", name);

/** The path of a tool, which is brought where it is missing. */
export async function bringTool(name, { root = checkout, env = process.env } = {}) {
  const present = toolPath(name, { root, env });
  if (present !== undefined) return present;
  return withLock(root, async () => {
    const obstacle = whyNoDebian(env);
    if (obstacle !== undefined) throw toolMissing(name, obstacle);
    try {
      return toolPath(name, { root, env }) ?? (await bring(name, { root, env }));
    } catch (error) {
      throw toolMissing(name, error.message, error);
    }
  });
}

async function bring(name, { root, env }) {
  const { packages, system } = toolOf(name);
  if (system && process.getuid?.() === 0) {
    say(`installing ${name} (apt-get install ${packages.join(" ")}) …`);
    await installPackages({ packages, env });
  } else {
    say(`bringing ${name} (Debian package, unpacked in .cache/tools) …`);
    await unpackTool(name, { root, env });
  }
  const path = toolPath(name, { root, env });
  if (path === undefined) throw new Error(`package ${packages.join(" ")} does not hold it`);
  return path;
}

async function unpackTool(name, { root, env }) {
  const { commands, packages, programs, versionFlag } = toolOf(name);
  const folder = toolFolder(root, name);
  const spare = `${folder}.${randomUUID()}`;
  const unpacked = join(spare, "root");
  try {
    await unpackWithLibraries({ packages, target: unpacked, env });
    mkdirSync(join(spare, "bin"));
    for (const program of programs(unpacked)) writeWrapper(spare, program);
    await checkRuns(join(spare, "bin", commands[0]), versionFlag, env);
    rmSync(folder, { recursive: true, force: true });
    renameSync(spare, folder);
  } finally {
    rmSync(spare, { recursive: true, force: true });
  }
}

async function checkRuns(path, versionFlag, env) {
  const { code, output } = await run(path, [versionFlag], { env, timeoutMs: versionMsMax });
  // 126 and 127: not for this machine, or a library is missing. Some end with 1 or 3 on success.
  if (code < 126 && parseVersion(output) !== undefined) return;
  throw new Error(`${basename(path)} does not run here: it ended with ${code}\n${output}`);
}

/** A wrapper keeps the program's pid, so that a signal to it reaches the program. */
function writeWrapper(folder, program) {
  const libraries = libraryFolders(join(folder, "root"));
  const listed = libraries.map((library) => `$here/${relative(folder, library)}`).join(":");
  const lines = [
    "#!/bin/sh",
    'here=$(dirname "$(dirname "$(readlink -f "$0")")")',
    `export LD_LIBRARY_PATH="${listed}\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"`,
    `exec "$here/${relative(folder, program)}" "$@"`,
  ];
  if (libraries.length === 0) lines.splice(2, 1);
  const path = join(folder, "bin", basename(program));
  writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o755 });
}

/** Such as usr/lib/x86_64-linux-gnu, and the folders in it where a package keeps its own. */
function libraryFolders(root) {
  const places = ["lib", "usr/lib"].map((place) => join(root, place));
  const main = places.flatMap(foldersIn).filter((folder) => folder.includes("-linux-gnu"));
  return main.flatMap((folder) => [folder, ...foldersIn(folder).filter(holdsLibrary)]);
}

function foldersIn(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
}

function holdsLibrary(folder) {
  return readdirSync(folder).some((name) => /^lib.*\.so(\.|$)/.test(name));
}

function toolMissing(name, reason, cause) {
  const { commands } = toolOf(name);
  return new SetupError(
    "SETUP_TOOL_MISSING",
    `${name} is not here and could not be brought:\n- ${reason}\n` +
      `Install it so that ${commands.join(" or ")} is on PATH, then run this again.`,
    { cause },
  );
}

async function main() {
  const names = process.argv.slice(2);
  if (names.length === 0) toolOf("");
  names.forEach(toolOf); // a slip in a name is told before anything is installed
  for (const name of names) process.stdout.write(`${await bringTool(name)}\n`);
}

if (isMain(import.meta.url)) await runMain(main);
