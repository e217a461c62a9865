/** Commands of the API's own: a link that logs a page in, and what operators did. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { Cli } from "@causeway/shared/system-cli.ts";
import { readTokens } from "../api/file-tokens.ts";
import { scopes } from "../api/tokens.ts";
import { askLink } from "./http-session.ts";
import { operators } from "./nats-operators.ts";
import type { ConfigOptions } from "./system-config.ts";
import { commandParts, readConfig, withConfig, write } from "./system-config.ts";

interface SessionFlags extends ConfigOptions {
  readonly token?: string;
  readonly scope?: string;
  readonly url?: string;
  readonly json?: boolean;
}

interface OperatorsFlags extends ConfigOptions {
  readonly who?: string;
  readonly act?: string;
  readonly limit: string;
  readonly json?: boolean;
}

export function addApiCommands(cli: Cli): void {
  cli.command(
    "session",
    "Print a link that logs a page in to the running cloud: good once, for ten minutes",
    (command) =>
      withConfig(command)
        .option("--token <name>", "one of http.tokens (default: the first that may most)")
        .option("--scope <scope>", `${scopes.join(", ")}, or less than its token has`)
        .option("--url <url>", "of the cloud (default: by http.host and http.port)")
        .option("--json", "a JSON object"),
    async ({ token, scope, url, json = false, ...options }: SessionFlags) => {
      const { http } = readConfig(options);
      const known = scopes.find((one) => one === scope);
      if (scope !== undefined && known === undefined)
        throw new CodedError("CLI_USAGE", `--scope ${scope}: there are ${scopes.join(", ")}`);
      const { clock } = commandParts(options);
      const question = { address: http, tokens: readTokens(http), token, scope: known, url };
      const link = await askLink(question, clock);
      write(json ? JSON.stringify(link) : link.url);
      return 0;
    },
  );

  cli.command(
    "operators",
    "Print what operators did, the newest first",
    (command) =>
      withConfig(command)
        .option("--who <name>", "of a token, or who was logged in")
        .option("--act <act>", "such as alert.ack")
        .option("--limit <count>", "entries at most", "50")
        .option("--json", "a JSON object a line"),
    async ({ who, act, limit, json = false, ...options }: OperatorsFlags) => {
      if (!/^[1-9][0-9]{0,4}$/.test(limit))
        throw new CodedError("CLI_USAGE", `--limit ${limit}: write a number`);
      const query = { who, act, limit: Number(limit) };
      return operators(commandParts(options), query, json);
    },
  );
}
