/** `causeway-edge status`: asks the running gateway how it is, by HTTP. */
import type { Clock } from "@causeway/shared/clock.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import { z } from "zod";
import type { Question } from "./http-question.ts";
import { asked } from "./http-question.ts";

/** What is shown of the answer; the rest is for `--json`. */
const answerSchema = z.looseObject({
  gateway: z.string(),
  health: z.object({ isHealthy: z.boolean(), reasons: z.array(z.string()) }),
  sections: z.array(
    z.object({ title: z.string(), rows: z.array(z.tuple([z.string(), z.string()])) }),
  ),
});
type Answer = z.infer<typeof answerSchema>;

const nameColumns = 26;

/** The exit code: 1 where the gateway is unhealthy. Throws GATEWAY_UNREACHABLE. */
export async function askStatus(
  question: Question,
  clock: Clock,
  print: (text: string) => void,
): Promise<number> {
  const answer = await ask(question, clock);
  const { health, sections, ...status } = answer;
  print(question.json ? JSON.stringify({ ...health, ...status }) : textOf(answer));
  return health.isHealthy ? exitCodes.good : exitCodes.finding;
}

function ask(question: Question, clock: Clock): Promise<Answer> {
  return asked(question, "/api/status", clock, async (response) => {
    const answer = answerSchema.safeParse(await response.json());
    if (!answer.success) throw new Error("what answers there is no gateway of this version");
    return answer.data;
  });
}

function textOf({ gateway, health, sections }: Answer): string {
  const { isHealthy, reasons } = health;
  const lines = [`gateway ${gateway} is ${isHealthy ? "healthy" : "unhealthy"}`];
  if (!isHealthy) lines[0] += `: ${reasons.join("; ")}`;
  for (const { title, rows } of sections) {
    lines.push("", title);
    for (const [name, value] of rows) lines.push(`  ${name.padEnd(nameColumns)} ${value}`);
  }
  return lines.join("\n");
}
