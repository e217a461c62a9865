// The goal: as in world.test.ts, in a process of its own beside it.
import { test } from "vitest";
import { keepPromise } from "./testing/keeps-promise.ts";

test("250 more worlds keep what is promised", { timeout: 300_000 }, () => keepPromise(251, 250));
