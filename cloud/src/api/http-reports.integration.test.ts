// Goal: a program reads the figures of the newest report, and learns where there is none.
import { expect, test } from "vitest";
import { startedApi } from "./testing/http-api.ts";

test("the newest report has all its figures; one that was not made, or is unknown, is not found", async () => {
  const notice = {
    title: "t",
    summary: [],
    text: [],
    figures: { name: "daily", total: { lost: 3 } },
  };
  const reports = {
    names: ["daily", "weekly"],
    last: async (name: string) => (name === "daily" ? notice : undefined),
  };
  const { get, stop } = await startedApi({ reports });
  expect(await get("/api/reports")).toEqual({
    status: 200,
    body: { reports: [{ name: "daily" }, { name: "weekly" }] },
  });
  expect(await get("/api/reports/daily")).toEqual({ status: 200, body: notice.figures });
  const missing = (detail: string) => ({ status: 404, body: { detail } });
  expect(await get("/api/reports/weekly")).toMatchObject(missing("it was not made yet"));
  expect(await get("/api/reports/other")).toMatchObject(missing("there is no such report"));
  await stop();
});
