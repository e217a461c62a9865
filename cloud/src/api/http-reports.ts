/** The newest report of a name by HTTP, with all its figures. */
import type { ReportNotice } from "@causeway/shared/notify/report-notice.ts";
import { z } from "zod";
import type { ApiApp } from "./http-guard.ts";
import { Refused } from "./problem.ts";

export interface ApiReports {
  /** That are configured. */
  readonly names: readonly string[];
  readonly last: (name: string) => Promise<ReportNotice | undefined>;
}

const config = { scope: "read", sites: "all" } as const;
const namesSchema = z.object({ reports: z.array(z.object({ name: z.string() })) });

export function addReports(app: ApiApp, { names, last }: ApiReports): void {
  app.get("/api/reports", { schema: { response: { 200: namesSchema } }, config }, () => ({
    reports: names.map((name) => ({ name })),
  }));
  app.get(
    "/api/reports/:name",
    {
      schema: {
        params: z.object({ name: z.string().max(128) }),
        response: { 200: z.looseObject({}) },
      },
      config,
    },
    async (request) => {
      const { name } = request.params;
      const found = names.includes(name) ? await last(name) : undefined;
      if (found !== undefined) return { ...found.figures };
      const detail = names.includes(name) ? "it was not made yet" : "there is no such report";
      throw new Refused(404, detail);
    },
  );
}
