// The goal: an operator finds every setting of this program in docs/operations.md, and no other.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { settingRows, settingsOf } from "@causeway/shared/testing/settings-page.ts";
import { expect, test } from "vitest";
import { edgeSchema } from "./config.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/operations.md"), "utf8");

test("docs/operations.md has a row for every setting, with its default", () => {
  expect(settingRows(page, "Settings of the gateway")).toEqual(settingsOf(edgeSchema));
});
