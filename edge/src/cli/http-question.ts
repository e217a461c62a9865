/** Asks the running gateway by HTTP, as the commands about it do. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";

export interface Question {
  readonly url: string;
  readonly token: string | undefined;
  readonly json: boolean;
}

const answerMsMax = 5_000;

/** The answer's beginning, in time; throws GATEWAY_UNREACHABLE, or CLI_USAGE. */
export async function asked<Answer>(
  { url, token }: Question,
  path: string,
  clock: Clock,
  read: (response: Response) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer> {
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new CodedError("CLI_USAGE", `--url ${url} is no http address`);
  }
  const abort = new AbortController();
  const late = new Error(`no answer in ${answerMsMax / 1_000} s`);
  const cancel = clock.after(answerMsMax, () => abort.abort(late));
  const headers: Record<string, string> =
    token === undefined ? {} : { authorization: `Bearer ${token}` };
  const signals = [abort.signal, ...(signal === undefined ? [] : [signal])];
  try {
    const response = await fetch(new URL(path, url), {
      headers,
      signal: AbortSignal.any(signals),
    });
    if (response.status === 401) throw new Error("it wants a token: name --token-file");
    if (!response.ok) {
      const why = (await response.text()).trim().slice(0, 200);
      throw new Error(`it answers ${response.status}${why === "" ? "" : `, ${why}`}`);
    }
    return await read(response);
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    const cure = "start the gateway, or name its address with --url";
    const why = reasonOf(failure instanceof Error ? (failure.cause ?? failure) : failure);
    throw new CodedError("GATEWAY_UNREACHABLE", `${url}: ${why}; ${cure}`, { cause: failure });
  } finally {
    cancel();
  }
}
