// Goal: a program reads the figures of the newest report, and learns where there is none.
import { fastify } from "fastify";
import { expect, test } from "vitest";
import { addReports } from "./http-reports.ts";

test("the newest report has all its figures; one that was not made, or is unknown, is not found", async () => {
  const app = fastify();
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
  addReports(app, reports, (reply, status, detail) => reply.code(status).send({ detail }));
  const get = async (path: string) => {
    const answer = await app.inject(path);
    return [answer.statusCode, answer.json()];
  };
  expect(await get("/api/reports")).toEqual([
    200,
    { reports: [{ name: "daily" }, { name: "weekly" }] },
  ]);
  expect(await get("/api/reports/daily")).toEqual([200, notice.figures]);
  expect(await get("/api/reports/weekly")).toEqual([404, { detail: "it was not made yet" }]);
  expect(await get("/api/reports/other")).toEqual([404, { detail: "there is no such report" }]);
  await app.close();
});
