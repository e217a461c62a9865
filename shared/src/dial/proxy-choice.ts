/**
 * Whether a server is reached through an HTTP proxy, and through which. The environment counts only
 * where the configuration says so: a service must not change its way by a variable of somebody's shell.
 */
import { z } from "zod";
import { isWithin, parseBlock } from "../notify/egress.ts";

export const proxySchema = z
  .strictObject({
    url: z
      .string()
      .refine((text) => proxyUrl(text) !== undefined, "write it as http://host:port")
      .refine((text) => !hasCredentials(text), "write user and passwordFile, not user:password@")
      .optional(),
    /** Read `HTTPS_PROXY` and `NO_PROXY`. */
    fromEnvironment: z.boolean().default(false),
    user: z.string().min(1).optional(),
    passwordFile: z.string().min(1).optional(),
    caFile: z.string().min(1).optional(),
    /** Hosts that are reached without it, as in `NO_PROXY`. */
    except: z.array(z.string().min(1)).default([]),
  })
  .refine(({ url, fromEnvironment }) => url === undefined || !fromEnvironment, {
    path: ["fromEnvironment"],
    message: "either url or the environment",
  })
  .refine(({ user, passwordFile }) => user !== undefined || passwordFile === undefined, {
    path: ["passwordFile"],
    message: "a password needs a user",
  });

/** As written: what has a default may be missing. */
export type ProxySettings = z.input<typeof proxySchema>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ProxyAddress {
  readonly host: string;
  readonly port: number;
  /** It is spoken to by TLS. */
  readonly isSecure: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly caFile?: string;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/** Throws what `readSecret` throws. Undefined where the server is reached directly. */
export function proxyFor(
  target: Target,
  settings: ProxySettings | undefined,
  environment: Environment,
  readSecret: (file: string) => string,
): ProxyAddress | undefined {
  if (settings === undefined) return undefined;
  const { fromEnvironment = false, user, passwordFile, caFile } = settings;
  const fromIt = fromEnvironment ? variable(environment, "https_proxy") : undefined;
  const url = proxyUrl(settings.url ?? fromIt ?? "");
  const noProxy = fromEnvironment ? (variable(environment, "no_proxy") ?? "") : "";
  const except = [...(settings.except ?? []), ...noProxy.split(/[\s,]+/)];
  if (url === undefined || isExcepted(target, except)) return undefined;
  const name = user ?? (url.username === "" ? undefined : decodeURIComponent(url.username));
  const password =
    passwordFile === undefined ? decodeURIComponent(url.password) : readSecret(passwordFile);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
    isSecure: url.protocol === "https:",
    ...(name === undefined ? {} : { user: name, password }),
    ...(caFile === undefined ? {} : { caFile }),
  };
}

/** `example.com` and `.example.com` also mean what is below them; addresses may be blocks. */
export function isExcepted({ host, port }: Target, except: readonly string[]): boolean {
  const name = host.toLowerCase();
  return except.some((each) => {
    const rule = each.trim().toLowerCase();
    if (rule === "") return false;
    if (rule === "*") return true;
    const block = parseBlock(rule);
    if (block !== undefined) return isWithin(name, [block]);
    const [, of = rule, only] = /^(.*?)(?::([0-9]+))?$/.exec(rule) ?? [];
    if (only !== undefined && Number(only) !== port) return false;
    const bare = of.replace(/^\*?\./, "");
    return name === bare || name.endsWith(`.${bare}`);
  });
}

/** Lower case first, as curl has it. */
function variable(environment: Environment, name: string): string | undefined {
  return environment[name] || environment[name.toUpperCase()] || undefined;
}

function proxyUrl(text: string): URL | undefined {
  if (text === "") return undefined;
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
    return /^https?:$/.test(url.protocol) && url.hostname !== "" ? url : undefined;
  } catch {
    return undefined;
  }
}

function hasCredentials(text: string): boolean {
  const url = proxyUrl(text);
  return url !== undefined && (url.username !== "" || url.password !== "");
}
