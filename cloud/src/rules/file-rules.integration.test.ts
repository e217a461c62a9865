// The goal: however a file of rules is changed, its new text is found, and a fault in it is.
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@causeway/shared/clock.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { rulesTextBytesMax } from "@causeway/shared/streams.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { hastyClock } from "../testing/hasty-clock.ts";
import { FileRules } from "./file-rules.ts";
import type { Found } from "./rules-document.ts";
import { textAbove } from "./testing/rules-texts.ts";

const patience = { timeout: 20_000, interval: 10 };

let folder: string;
let file: string;
let found: Found[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "causeway-rules-"));
  file = join(folder, "rules.yaml");
  found = [];
});

const system = systemClock();
/** Without the looks each 5 s: the folder alone has to tell. */
const watching: Clock = {
  ...system,
  after: (delayMs, act) => (delayMs < 5_000 ? system.after(delayMs, act) : () => {}),
};

function watched(clock = watching): FileRules {
  const rules = new FileRules(file, clock, silentLogger);
  found.push(rules.read());
  rules.start((one) => void found.push(one));
  onTestFinished(() => {
    rules.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return rules;
}

function last(): string {
  const one = found.at(-1);
  return one?.kind === "good"
    ? one.rules.rules.map(({ name }) => name).join()
    : (one?.reason ?? "");
}

const becomes = (text: string | RegExp) => vi.waitFor(() => expect(last()).toMatch(text), patience);

test("is found when it is written in place, replaced, broken, removed, and back again", async () => {
  writeFileSync(file, textAbove("first", 1));
  watched();
  expect(last()).toBe("first");
  writeFileSync(file, textAbove("in-place", 1));
  await becomes("in-place");
  writeFileSync(`${file}.new`, textAbove("replaced", 1));
  renameSync(`${file}.new`, file);
  await becomes("replaced");
  writeFileSync(file, "rules: [");
  await becomes(/^CONFIG_UNREADABLE: .*rules\.yaml:1:\d+ /);
  unlinkSync(file);
  await becomes(/^CONFIG_UNREADABLE: .*rules\.yaml: there is no such file/);
  writeFileSync(file, " ".repeat(rulesTextBytesMax + 1));
  await becomes(/^CONFIG_INVALID: .*rules\.yaml: \d+ bytes of/);
  writeFileSync(file, textAbove("back", 1));
  await becomes("back");
});

test("is found in a folder whose link is swapped, as Kubernetes does with a ConfigMap", async () => {
  const version = (name: string) => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "rules.yaml"), textAbove(name, 1));
    symlinkSync(name, join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
  };
  version("one");
  symlinkSync("..data/rules.yaml", file);
  watched();
  expect(last()).toBe("one");
  version("two");
  await becomes("two");
});

test("is found by looking where its folder does not tell", async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "causeway-rules-"));
  onTestFinished(() => rmSync(elsewhere, { recursive: true, force: true }));
  const target = join(elsewhere, "target.yaml");
  writeFileSync(target, textAbove("first", 1));
  symlinkSync(target, file);
  watched(hastyClock(system, 50));
  writeFileSync(target, textAbove("second", 1));
  await becomes("second");
});

test("is read at once when told", () => {
  writeFileSync(file, textAbove("first", 1));
  const rules = watched();
  writeFileSync(file, textAbove("second", 1));
  rules.reload();
  expect(last()).toBe("second");
});
