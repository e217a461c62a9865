/** The newest report of a name by HTTP, with all its figures. */
import type { ReportNotice } from "@causeway/shared/notify/report-notice.ts";
import type { FastifyInstance, FastifyReply } from "fastify";

export interface ApiReports {
  /** That are configured. */
  readonly names: readonly string[];
  readonly last: (name: string) => Promise<ReportNotice | undefined>;
}

export function addReports(
  app: FastifyInstance,
  { names, last }: ApiReports,
  refuse: (reply: FastifyReply, status: number, detail?: string) => FastifyReply,
): void {
  app.get("/api/reports", () => ({ reports: names.map((name) => ({ name })) }));
  app.get<{ Params: { name: string } }>("/api/reports/:name", async (request, reply) => {
    const { name } = request.params;
    const found = names.includes(name) ? await last(name) : undefined;
    if (found !== undefined) return reply.send(found.figures);
    const detail = names.includes(name) ? "it was not made yet" : "there is no such report";
    return refuse(reply, 404, detail);
  });
}
