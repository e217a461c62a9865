// Other programs run to their end, and the one error of the set-up.
//
// Nothing here may need an installed package: these files install them.
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const outputCharsMax = 20_000;

export class SetupError extends Error {
  constructor(code, message, options) {
    super(`${code}: ${message}`, options);
    this.name = "SetupError";
    this.code = code;
  }
}

const runningGroups = new Set();
const temporaryFolders = new Set();

export function run(command, args, { timeoutMs, cwd, env }) {
  return new Promise((resolve) => {
    // A group of its own: the whole family can be ended, and nothing in it can ask the terminal.
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let note = "";
    const keep = (chunk) => {
      output = (output + chunk).slice(-outputCharsMax);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    const timer = setTimeout(() => {
      note = `\n(ended after ${timeoutMs / 1000} s)`;
      endGroup(child.pid);
    }, timeoutMs);
    const settle = (code) => {
      clearTimeout(timer);
      runningGroups.delete(child.pid);
      resolve({ code, output: output.trim() + note });
    };
    if (child.pid !== undefined) runningGroups.add(child.pid);
    child.on("error", (error) => {
      note = error.message;
      settle(127);
    });
    child.on("close", (code) => settle(code ?? 128));
  });
}

function endGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended by itself.
  }
}

export function temporaryFolder(name) {
  const folder = mkdtempSync(join(tmpdir(), `causeway-${name}-`));
  temporaryFolders.add(folder);
  return folder;
}

export function removeTemporary(folder) {
  rmSync(folder, { recursive: true, force: true });
  temporaryFolders.delete(folder);
}

export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export function onPath(name, env) {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The environment for children: npm stops without a home folder, which a bare CI may not have. */
export function childEnvironment(env, spareHome) {
  if (env.HOME) return env;
  try {
    return { ...env, HOME: homedir() };
  } catch {
    return { ...env, HOME: spareHome };
  }
}

export function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

/** Runs a program's main part: a failure is one readable message, and nothing is left behind. */
export async function runMain(main) {
  process.on("exit", () => {
    for (const pid of runningGroups) endGroup(pid);
    for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true });
  });
  const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [signal, code] of Object.entries(exitCodes)) {
    process.on(signal, () => process.exit(code));
  }
  try {
    await main();
  } catch (error) {
    for (const each of error instanceof AggregateError ? error.errors : [error]) {
      process.stderr.write(`\n${textOfError(each)}\n`);
    }
    process.exit(1);
  }
}

function textOfError(error) {
  return error instanceof SetupError ? error.message : `SETUP_FAILED: ${error.stack}`;
}
