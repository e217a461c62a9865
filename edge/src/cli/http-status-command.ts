/** `causeway-edge status`: asks the running gateway how it is, by HTTP. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import { z } from "zod";

export interface Question {
  readonly url: string;
  readonly token: string | undefined;
  readonly json: boolean;
}

/** What is shown of the answer; the rest is for `--json`. */
const answerSchema = z.looseObject({
  gateway: z.string(),
  health: z.object({ isHealthy: z.boolean(), reasons: z.array(z.string()) }),
  sections: z.array(
    z.object({ title: z.string(), rows: z.array(z.tuple([z.string(), z.string()])) }),
  ),
});
type Answer = z.infer<typeof answerSchema>;

const answerMsMax = 5_000;
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

async function ask({ url, token }: Question, clock: Clock): Promise<Answer> {
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new CodedError("CLI_USAGE", `--url ${url} is no http address`);
  }
  const abort = new AbortController();
  const late = new Error(`no answer in ${answerMsMax / 1_000} s`);
  const cancel = clock.after(answerMsMax, () => abort.abort(late));
  const headers: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    const response = await fetch(new URL("/api/status", url), { headers, signal: abort.signal });
    if (response.status === 401) throw new Error("it wants a token: name --token-file");
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    const answer = answerSchema.safeParse(await response.json());
    if (!answer.success) throw new Error("what answers there is no gateway of this version");
    return answer.data;
  } catch (failure) {
    const cure = "start the gateway, or name its address with --url";
    const why = reasonOf(failure instanceof Error ? (failure.cause ?? failure) : failure);
    throw new CodedError("GATEWAY_UNREACHABLE", `${url}: ${why}; ${cure}`, { cause: failure });
  } finally {
    cancel();
  }
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
