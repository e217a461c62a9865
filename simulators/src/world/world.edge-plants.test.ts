// The goal: every checker finds the bug it is there for. A world that does not notice a bug which was
// planted would not notice the same bug in the product either.
import { afterEach, describe, expect, test, vi } from "vitest";
import { edgePlants } from "./testing/edge-plants.ts";
import { findPlanted } from "./testing/planted.ts";

afterEach(() => vi.restoreAllMocks());

describe("a planted bug is found", () => {
  test.each(edgePlants)("$name", { timeout: 300_000 }, async (planted) => {
    expect(await findPlanted(planted)).toBeGreaterThan(0);
  });
});
