// Debian packages brought into a folder of ours, the system untouched.
//
// apt is given a private root: its own lists, cache and, for newer packages, its own sources. Of the
// system's settings only those under Acquire (proxy, certificates, retries) are carried over, since
// the others may hold hooks that write to the system.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onPath, removeTemporary, run, SetupError, temporaryFolder } from "./command.mjs";

const aptMsMax = 5 * 60_000;
const searchMsMax = 4 * 60_000;
const mirrorsMax = 3;
const complaintLinesMax = 6;
const defaultMirror = "http://deb.debian.org/debian";
const keyrings = ["gpg", "pgp"].map(
  (ending) => `/usr/share/keyrings/debian-archive-keyring.${ending}`,
);
const suiteNames = /^(bookworm|trixie|forky|duke|sid|oldstable|stable|testing|unstable)$/;

/** Debian's mirrors in the text of apt source files, both formats, then Debian's own. */
export function debianMirrors(texts) {
  const found = texts.flatMap((text) => [...oneLineSources(text), ...stanzaSources(text)]);
  const configured = found.filter(isNewerPossible).map(({ uri }) => uri.replace(/\/$/, ""));
  const first = [...new Set(configured)].slice(0, mirrorsMax - 1);
  return [...new Set([...first, defaultMirror])];
}

/** A snapshot is frozen in time and never has the newer suite. */
function isNewerPossible({ uri, suites, components }) {
  const frozen = /\/\/snapshot\.debian\.org\//.test(uri);
  return !frozen && components.includes("main") && suites.some((suite) => suiteNames.test(suite));
}

function oneLineSources(text) {
  const line = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm;
  return [...text.matchAll(line)].map(([, uri, suite, components]) => ({
    uri,
    suites: [suite],
    components: words(components),
  }));
}

function stanzaSources(text) {
  const bare = text.replace(/^#.*\n?/gm, "");
  return bare.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name) => words(stanza.match(new RegExp(`^${name}:(.*)$`, "im"))?.[1] ?? "");
    if (!field("Types").includes("deb") || field("Enabled")[0] === "no") return [];
    const [suites, components] = [field("Suites"), field("Components")];
    return field("URIs").map((uri) => ({ uri, suites, components }));
  });
}

function words(text) {
  return text.replace(/#.*/, "").trim().split(/\s+/);
}

function systemMirrors() {
  const folder = "/etc/apt/sources.list.d";
  const names = namesIn(folder).filter((name) => /\.(list|sources)$/.test(name));
  const paths = ["/etc/apt/sources.list", ...names.sort().map((name) => join(folder, name))];
  return debianMirrors(paths.map(textOf));
}

function namesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Why packages cannot be brought on this machine, or undefined. */
export function whyNoDebian(env) {
  const programs = ["apt-get", "apt-cache", "apt-config", "dpkg-deb"];
  const missing = programs.filter((name) => onPath(name, env) === undefined);
  if (missing.length > 0) return `this machine has no ${missing.join(", ")}, so no Debian packages`;
  return undefined;
}

/**
 * Unpacks `name` from the first of `suites` whose version `accepts` takes into `target`.
 * Throws SETUP_PACKAGE with the reason of each refusal.
 */
export async function unpackNewer({ name, suites, accepts, target, env }) {
  const keyring = keyrings.find((path) => textOf(path) !== "");
  if (keyring === undefined) {
    throw new SetupError("SETUP_PACKAGE", `Debian's keyring ${keyrings[0]} is missing`);
  }
  const refusals = [];
  const deadline = performance.now() + searchMsMax;
  for (const mirror of systemMirrors()) {
    for (const suite of suites) {
      if (performance.now() > deadline) break;
      const source = `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`;
      const refusal = await withAptRoot({ source, env }, (apt) =>
        unpackOne({ apt, name, accepts, target }),
      );
      if (refusal === undefined) return;
      refusals.push(`${mirror} ${suite}: ${refusal}`);
    }
  }
  throw new SetupError("SETUP_PACKAGE", `no fitting package ${name}\n${refusals.join("\n")}`);
}

async function unpackOne({ apt, name, accepts, target }) {
  const updated = await apt.run("apt-get", ["update"]);
  const policy = await apt.run("apt-cache", ["policy", name]);
  const candidate = policy.output.match(/Candidate: (\S+)/)?.[1];
  if (candidate === undefined || candidate === "(none)") return complaints(updated.output);
  if (!accepts(candidate)) return `has only ${candidate}`;
  const fetched = await apt.run("apt-get", ["download", name]);
  if (fetched.code !== 0) return complaints(fetched.output);
  return unpackAll(apt, apt.folder, target);
}

/** Unpacks packages of the system's own suite, with the libraries which it lacks, into `target`. */
export async function unpackWithLibraries({ packages, target, env }) {
  const refusal = await withAptRoot({ env }, async (apt) => {
    const updated = await apt.run("apt-get", ["update"]);
    const options = ["install", "--yes", "--download-only", "--no-install-recommends"];
    const fetched = await apt.run("apt-get", [...options, ...packages]);
    if (fetched.code !== 0) return complaints(`${updated.output}\n${fetched.output}`);
    return unpackAll(apt, join(apt.folder, "cache", "archives"), target);
  });
  if (refusal !== undefined) {
    throw new SetupError("SETUP_PACKAGE", `no package ${packages.join(", ")}\n${refusal}`);
  }
}

async function unpackAll(apt, folder, target) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".deb"));
  if (names.length === 0) return "apt brought no package";
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const name of names) {
    const unpacked = await apt.run("dpkg-deb", ["-x", join(folder, name), target]);
    if (unpacked.code !== 0) return complaints(unpacked.output);
  }
  return undefined;
}

/** Installs packages in the system, for those which cannot run from a folder. Needs root. */
export async function installPackages({ packages, env }) {
  const options = ["-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"];
  // Run level 1 keeps the packages' own services from being started.
  const aptEnv = { ...quietEnvironment(env), RUNLEVEL: "1" };
  const apt = (args) => run("apt-get", args, { env: aptEnv, timeoutMs: aptMsMax });
  const first = await apt([...options, ...packages]);
  if (first.code === 0) return;
  // Lists that are missing or old are the usual reason.
  await apt(["update"]);
  const second = await apt([...options, ...packages]);
  if (second.code === 0) return;
  throw new SetupError(
    "SETUP_PACKAGE",
    `apt-get install ${packages.join(" ")} ended with ${second.code}\n${complaints(second.output)}`,
  );
}

async function withAptRoot({ source, env }, work) {
  const folder = temporaryFolder("apt");
  try {
    for (const name of ["lists/partial", "cache/archives/partial", "empty", "log"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    const aptEnv = { ...quietEnvironment(env), APT_CONFIG: join(folder, "apt.conf") };
    const timeoutMs = aptMsMax;
    const dump = await run("apt-config", ["dump"], { env: quietEnvironment(env), timeoutMs });
    if (source !== undefined) writeFileSync(join(folder, "sources.list"), source);
    writeFileSync(join(folder, "status"), "");
    writeFileSync(join(folder, "apt.conf"), aptSettings({ folder, dump: dump.output, source }));
    return await work({
      folder,
      run: (command, args) => run(command, args, { cwd: folder, env: aptEnv, timeoutMs }),
    });
  } finally {
    removeTemporary(folder);
  }
}

function aptSettings({ folder, dump, source }) {
  const carried = dump.split("\n").filter((line) => /^Acquire::(?!IndexTargets)/.test(line));
  const settings = {
    "Acquire::Languages": "none",
    "Acquire::Retries": "2",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
    "APT::Sandbox::User": "root", // apt's own user may not read our folder
    "Debug::NoLocking": "true",
    "Dir::State::lists": join(folder, "lists"),
    "Dir::Cache": join(folder, "cache"),
    "Dir::Log": join(folder, "log"),
    "Dir::Etc::main": "/dev/null",
    "Dir::Etc::parts": join(folder, "empty"),
  };
  const newer = {
    "Dir::State::status": join(folder, "status"),
    "Dir::Etc::sourcelist": join(folder, "sources.list"),
    "Dir::Etc::sourceparts": join(folder, "empty"),
    "Dir::Etc::preferences": "/dev/null",
    "Dir::Etc::preferencesparts": join(folder, "empty"),
  };
  const all = Object.entries(source === undefined ? settings : { ...settings, ...newer });
  return `${[...carried, ...all.map(([name, value]) => `${name} "${value}";`)].join("\n")}\n`;
}

function quietEnvironment(env) {
  return { ...env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
}

/** What apt complains of, or the end of its output where it says nothing of the kind. */
function complaints(text) {
  const lines = text.trim().split("\n");
  const told = lines.filter((line) => /^(E|W|Err):/.test(line));
  return (told.length > 0 ? told : lines).slice(-complaintLinesMax).join("\n");
}
