/**
 * Who may do what. One rule a line; `#` at its beginning makes it a comment:
 *
 *   user NAME|* publish|subscribe|both FILTER     FILTER as in MQTT, with %c and %u
 *   user NAME|* connect CLIENT-ID                 may end in *, and hold %u
 *
 *   A1  What no rule allows is denied; client ids are free while no rule is about them.
 *   A2  %c is the client id, %u the user. One that holds +, # or /, begins with $ or is empty makes
 *       no filter: it could widen it.
 *   A3  A subscription is allowed when all that it matches is.
 *   A4  A name with spaces, or the name *, stands in quotes, as in JSON; %% is a percent sign.
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { shown } from "@causeway/shared/shown.ts";
import { isFilter, matches } from "./topic-filter.ts";

type Action = "connect" | "publish" | "subscribe" | "both";

interface Rule {
  readonly action: Action;
  /** Text and, in between, what stands for a value. */
  readonly pattern: readonly (string | Placeholder)[];
}

type Placeholder = { readonly value: "client" | "user" };

interface Who {
  readonly user: string | undefined;
  readonly client: string;
}

export class Acl {
  readonly #ofAll: readonly Rule[];
  readonly #ofUser: ReadonlyMap<string, readonly Rule[]>;
  readonly #bindsClients: boolean;

  constructor(ofAll: readonly Rule[], ofUser: ReadonlyMap<string, readonly Rule[]>) {
    this.#ofAll = ofAll;
    this.#ofUser = ofUser;
    const all = [...ofAll, ...[...ofUser.values()].flat()];
    this.#bindsClients = all.some(({ action }) => action === "connect");
  }

  grants(who: Who): Grants {
    const own = who.user === undefined ? undefined : this.#ofUser.get(who.user);
    const rules = own === undefined ? this.#ofAll : [...this.#ofAll, ...own];
    const filters = (wanted: Action) =>
      rules.flatMap(({ action, pattern }) => {
        if (action !== wanted && action !== "both") return [];
        const filter = filterOf(pattern, who);
        return filter === undefined ? [] : [filter];
      });
    const ids = rules.filter(({ action }) => action === "connect");
    const mayConnect = !this.#bindsClients || ids.some(({ pattern }) => isClient(pattern, who));
    return new Grants(mayConnect, filters("publish"), filters("subscribe"));
  }
}

/** What one client may do. */
export class Grants {
  readonly mayConnect: boolean;
  readonly #publish: readonly string[];
  readonly #subscribe: readonly string[];
  /** A device publishes on few topics, over and over. */
  #publishedLast: string | undefined;
  #receivedLast: string | undefined;

  constructor(mayConnect: boolean, publish: readonly string[], subscribe: readonly string[]) {
    this.mayConnect = mayConnect;
    this.#publish = publish;
    this.#subscribe = subscribe;
  }

  mayPublish(topic: string): boolean {
    if (topic === this.#publishedLast) return true;
    if (!this.#publish.some((filter) => matches(filter, topic))) return false;
    this.#publishedLast = topic;
    return true;
  }

  /** A3 */
  maySubscribe(filter: string): boolean {
    return this.#subscribe.some((allowed) => covers(allowed, filter));
  }

  /** A subscription may be older than the rules. */
  mayReceive(topic: string): boolean {
    if (topic === this.#receivedLast) return true;
    if (!this.#subscribe.some((filter) => matches(filter, topic))) return false;
    this.#receivedLast = topic;
    return true;
  }
}

/** Whether each topic that `filter` matches is matched by `allowed`. */
export function covers(allowed: string, filter: string): boolean {
  // [MQTT-4.7.2-1]: a wildcard matches no topic that begins with $.
  if (filter.startsWith("$") && /^[+#]/.test(allowed)) return false;
  const [wide, narrow] = [allowed.split("/"), filter.split("/")];
  for (const [at, level] of wide.entries()) {
    if (level === "#") return true;
    const other = narrow[at];
    if (other === undefined || other === "#") return false;
    if (level !== "+" && level !== other) return false;
  }
  return wide.length === narrow.length;
}

function filterOf(pattern: Rule["pattern"], who: Who): string | undefined {
  const parts = pattern.map((part) => (typeof part === "string" ? part : who[part.value]));
  const isWhole = parts.every(
    (part, at) => part !== undefined && (typeof pattern[at] === "string" || isPlain(part)),
  );
  return isWhole ? parts.join("") : undefined;
}

/** A2 */
function isPlain(value: string): boolean {
  return value !== "" && !value.startsWith("$") && !/[+#/]/.test(value);
}

function isClient(pattern: Rule["pattern"], who: Who): boolean {
  const parts = pattern.map((part) => (typeof part === "string" ? part : who[part.value]));
  if (parts.some((part) => part === undefined || part === "")) return false;
  const id = parts.join("");
  const last = pattern.at(-1);
  const isOpen = typeof last === "string" && last.endsWith("*");
  return isOpen ? who.client.startsWith(id.slice(0, -1)) : who.client === id;
}

// Parsing -----------------------------------------------------------------------------------------

const actions = new Set<string>(["connect", "publish", "subscribe", "both"]);
const form = "write it as: user NAME|* connect|publish|subscribe|both WHAT";

/** Throws CONFIG_INVALID with each line that cannot be read. */
export function parseAcl(text: string, fileName: string): Acl {
  const ofAll: Rule[] = [];
  const ofUser = new Map<string, Rule[]>();
  const faults: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const read = parseRule(line.trim());
    if (typeof read === "string") faults.push(`${fileName}:${index + 1}: ${read}`);
    else if (read.user === undefined) ofAll.push(read.rule);
    else ofUser.set(read.user, [...(ofUser.get(read.user) ?? []), read.rule]);
  }
  if (faults.length > 0) throw new CodedError("CONFIG_INVALID", faults.join("\n"));
  return new Acl(ofAll, ofUser);
}

/** The rule, or what is wrong with it. */
function parseRule(line: string): { user: string | undefined; rule: Rule } | string {
  const found = /^user\s+("(?:[^"\\]|\\.)*"|\S+)\s+(\S+)\s+(.+)$/.exec(line);
  if (found === null) return form;
  const [, name = "", action = "", what = ""] = found;
  if (!actions.has(action)) return `${shown(action)} is no action; ${form}`;
  const user = name === "*" ? undefined : unquoted(name);
  if (user === "") return `${shown(name)} is no name; ${form}`;
  const pattern = patternOf(what);
  if (pattern === undefined) return `${shown(what)}: %c, %u or %% may follow a percent sign`;
  const fault = action === "connect" ? clientFault(pattern) : filterFault(pattern);
  if (fault !== undefined) return `${shown(what)}: ${fault}`;
  return { user, rule: { action: action as Action, pattern } };
}

function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  try {
    return String(JSON.parse(name));
  } catch {
    return "";
  }
}

function patternOf(text: string): Rule["pattern"] | undefined {
  const parts = text.match(/%.?|[^%]+/gs) ?? [];
  const pattern: (string | Placeholder)[] = [];
  for (const part of parts) {
    if (part === "%c") pattern.push({ value: "client" });
    else if (part === "%u") pattern.push({ value: "user" });
    else if (part === "%%") pattern.push("%");
    else if (part.startsWith("%")) return undefined;
    else pattern.push(part);
  }
  return pattern;
}

function filterFault(pattern: Rule["pattern"]): string | undefined {
  const filter = pattern.map((part) => (typeof part === "string" ? part : "x")).join("");
  return isFilter(filter) ? undefined : "no filter of MQTT: + and # fill a level, # is the last";
}

function clientFault(pattern: Rule["pattern"]): string | undefined {
  const hasClient = pattern.some((part) => typeof part !== "string" && part.value === "client");
  if (hasClient) return "%c is the client id itself: name it, or use %u or *";
  const text = pattern.map((part) => (typeof part === "string" ? part : "x")).join("");
  return /\*./.test(text) ? "* may only be the last" : undefined;
}
