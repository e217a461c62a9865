/** Goal: the machine's own clocks are read where there are any, and nothing fails where there are none. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readHardwareMs, systemTimeSource } from "./system-time-source.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "causeway-rtc-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function clock(name: string, text: string): void {
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, "since_epoch"), text);
}

test("of several clocks the one counts that is ahead, for one without a battery begins in 1970", () => {
  clock("rtc0", "312\n");
  clock("rtc1", "1790000000\n");
  expect(readHardwareMs(folder)).toBe(1_790_000_000_000);
});

test("a machine without such a clock, or with one that cannot be read, has none", () => {
  expect(readHardwareMs(join(folder, "nowhere"))).toBeUndefined();
  mkdirSync(join(folder, "rtc0"));
  clock("rtc1", "no time\n");
  expect(readHardwareMs(folder)).toBeUndefined();
});

test("this machine is asked without failing", () => {
  expect(typeof systemTimeSource.isNtpSynchronised()).toBe("boolean");
  expect(["number", "undefined"]).toContain(typeof systemTimeSource.hardwareMs());
});
