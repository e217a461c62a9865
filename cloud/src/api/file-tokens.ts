/** The tokens that the configuration names, read from their files. */
import { CodedError } from "@causeway/shared/errors.ts";
import { isLoopback } from "@causeway/shared/loopback.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import type { CloudConfig } from "../config.ts";
import type { Token } from "./tokens.ts";

type HttpSettings = CloudConfig["http"];

/** Throws CONFIG_UNREADABLE, CONFIG_INVALID or SECURITY_REFUSED. */
export function readTokens({ host, tokenFile, tokens, anonymous }: HttpSettings): readonly Token[] {
  if (anonymous !== "none" && !isLoopback(host)) {
    const why = `http.anonymous ${anonymous} would open ${host} to anyone`;
    throw new CodedError("SECURITY_REFUSED", `${why}: leave it out, or set http.host to 127.0.0.1`);
  }
  const first =
    tokenFile === undefined ? [] : [{ name: "admin", scope: "admin", tokenFile } as const];
  const found = [...first, ...tokens].map((each): Token => {
    const sites = "sites" in each ? (each.sites ?? null) : null;
    return { name: each.name, scope: each.scope, sites, secret: readSecret(each.tokenFile) };
  });
  for (const [index, { name, secret }] of found.entries()) {
    const other = found
      .slice(0, index)
      .find((each) => each.name === name || each.secret === secret);
    if (secret === "") throw invalid(`http.tokens ${name}: its file is empty`);
    if (other?.name === name) throw invalid(`http.tokens ${name}: two have this name`);
    if (other !== undefined) throw invalid(`http.tokens ${name}: ${other.name} has the same token`);
  }
  return found;
}

function invalid(why: string): CodedError {
  return new CodedError("CONFIG_INVALID", why);
}
