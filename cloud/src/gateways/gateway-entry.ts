/**
 * Which gateways may connect to nats-server, and where they belong, as it stands in bucket GATEWAYS.
 *
 *   P1  A key is one gateway's, and a gateway has one key, so that what comes under a name comes from
 *       who holds that key.
 *   P2  A key that was revoked, or that another came in place of, is nobody's: a list that is read in
 *       again permits it to no one. `replace` takes that back, for its own gateway.
 *   P3  What was said is said again without effect.
 *
 *   GATEWAYS.<gateway>: { "v": 1, gateway, key?: "U…", site?, labels: {}, revoked: [{ key, at: ms }],
 *     act, by, note, at: ms }
 */
import { CodedError } from "@causeway/shared/errors.ts";
import { wordCharactersMax } from "@causeway/shared/event.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { nkeyFault } from "@causeway/shared/nkey.ts";
import { authorCharactersMax, noteCharactersMax } from "@causeway/shared/operate/silence.ts";
import { labelsMax } from "@causeway/shared/rules/fleet.ts";
import { parseState } from "@causeway/shared/rules/parse-state.ts";
import { z } from "zod";

/** Of one bucket; more are refused. */
export const gatewaysMax = 10_000;
/** Of a gateway, the newest; older ones may be used again. */
const revokedMax = 16;

const word = z.string().min(1).max(wordCharactersMax);
const gatewayName = z
  .string()
  .refine(isGatewayId, 'a gateway has 1 to 64 letters, digits, "_" or "-"');

const entrySchema = z.object({
  v: z.literal(1),
  gateway: gatewayName,
  key: z.string().optional(),
  site: word.optional(),
  labels: z.record(word, z.string()),
  revoked: z.array(z.object({ key: z.string(), at: z.number() })),
  act: z.enum(["added", "revoked"]),
  by: z.string(),
  note: z.string(),
  at: z.number(),
});
/** As it stands after the act that it names. */
export type GatewayEntry = Omit<z.output<typeof entrySchema>, "v">;

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeEntry(text: string): GatewayEntry {
  const { v: _v, ...entry } = parseState("gateway", entrySchema, text);
  return entry;
}

export function encodeEntry(entry: GatewayEntry): string {
  return JSON.stringify({ v: 1, ...entry });
}

const said = {
  gateway: gatewayName,
  by: z.string().trim().min(1).max(authorCharactersMax),
  note: z.string().trim().max(noteCharactersMax).default(""),
};
const requestSchema = z.discriminatedUnion("act", [
  z.strictObject({
    act: z.literal("add"),
    ...said,
    /** What is not given stays as it is. */
    key: z
      .string()
      .trim()
      .check(({ value, issues }) => {
        const message = nkeyFault(value);
        if (message !== undefined) issues.push({ code: "custom", message, input: "" });
      })
      .optional(),
    /** An empty one takes the given one away; so does an empty label. */
    site: z.string().trim().max(wordCharactersMax).optional(),
    labels: z
      .record(word, z.string().trim().max(wordCharactersMax))
      .refine((labels) => Object.keys(labels).length <= labelsMax, `at most ${labelsMax} labels`)
      .default({}),
    replace: z.boolean().default(false),
  }),
  z.strictObject({ act: z.literal("revoke"), ...said }),
]);

/** What people ask for, checked. */
export type GatewayRequest = z.output<typeof requestSchema>;
type AddRequest = Extract<GatewayRequest, { readonly act: "add" }>;

/** Throws OPERATION_INVALID. */
export function gatewayRequest(request: unknown): GatewayRequest {
  const parsed = requestSchema.safeParse(request);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CodedError("OPERATION_INVALID", `${issue?.path.join(".")}: ${issue?.message}`);
}

/** Entries by gateway, kept as the bucket is. */
export class GatewayBook {
  readonly #entries = new Map<string, GatewayEntry>();
  /** Of keys in force, and of those that were. */
  readonly #holders = new Map<string, string>();
  #version = 0;

  /** Grows with every change. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#entries.size;
  }

  of(gateway: string): GatewayEntry | undefined {
    return this.#entries.get(gateway);
  }

  /** In the order of their names. */
  all(): readonly GatewayEntry[] {
    return [...this.#entries.values()].sort((one, other) => (one.gateway < other.gateway ? -1 : 1));
  }

  /** Whether it may connect: it has a key, and that is no other's. */
  isPermitted({ gateway, key }: GatewayEntry): boolean {
    return key !== undefined && this.#holders.get(key) === gateway;
  }

  /** A message of the bucket; no text where its key was deleted. Throws where it cannot be read. */
  take(name: string, text: string): void {
    this.#version++;
    const before = this.#entries.get(name);
    for (const key of keysOf(before))
      if (this.#holders.get(key) === name) this.#holders.delete(key);
    this.#entries.delete(name);
    if (text === "") return;
    const entry = decodeEntry(text);
    this.#entries.set(name, entry);
    // Of two that were written at one moment the first one has it.
    for (const key of keysOf(entry)) if (!this.#holders.has(key)) this.#holders.set(key, name);
  }

  clear(): void {
    this.#version++;
    this.#entries.clear();
    this.#holders.clear();
  }

  /** The entry after the request; the same object where it changes nothing. Throws GATEWAY_KEY_REFUSED. */
  after(request: GatewayRequest, at: number): GatewayEntry {
    const { gateway, by, note } = request;
    const before = this.#entries.get(gateway);
    if (request.act === "add") {
      if (before === undefined && this.size >= gatewaysMax) {
        const why = `${gatewaysMax} gateways are listed, which is all that there may be`;
        throw new CodedError("OPERATION_INVALID", why);
      }
      return this.#added(request, before, at);
    }
    if (before === undefined) {
      const cure = "see causeway-cloud gateways list";
      throw new CodedError("DEVICE_UNKNOWN", `gateway ${gateway} was never added: ${cure}`);
    }
    const { key, ...bare } = before;
    if (key === undefined) return before;
    return { ...bare, revoked: revokedWith(before.revoked, key, at), act: "revoked", by, note, at };
  }

  #added(request: AddRequest, before: GatewayEntry | undefined, at: number): GatewayEntry {
    const { gateway, by, note, replace } = request;
    const key = request.key ?? before?.key;
    const revoked = before?.revoked ?? [];
    if (key !== undefined && key !== before?.key) {
      const holder = this.#holders.get(key);
      if (holder !== undefined && holder !== gateway)
        throw refused(gateway, `its key is, or was, that of ${holder}: each makes its own`);
      if (!replace && holder === gateway)
        throw refused(gateway, "this key was revoked: make a new one, or permit it by --replace");
      if (!replace && before?.key !== undefined)
        throw refused(gateway, `it has the key ${before.key}: --replace takes this one instead`);
    }
    const site = request.site ?? before?.site ?? "";
    const labels = Object.entries({ ...before?.labels, ...request.labels })
      .filter(([, value]) => value !== "")
      .sort(([one], [other]) => (one < other ? -1 : 1));
    const isOther = before?.key !== undefined && before.key !== key;
    const left = revoked.filter((each) => each.key !== key);
    const entry: GatewayEntry = {
      gateway,
      ...(key === undefined ? {} : { key }),
      ...(site === "" ? {} : { site }),
      labels: Object.fromEntries(labels),
      revoked: isOther ? revokedWith(left, before.key ?? "", at) : left,
      ...{ act: "added", by, note, at },
    };
    return before !== undefined && isSame(before, entry) ? before : entry;
  }
}

function keysOf(entry: GatewayEntry | undefined): readonly string[] {
  if (entry === undefined) return [];
  const revoked = entry.revoked.map(({ key }) => key);
  return entry.key === undefined ? revoked : [entry.key, ...revoked];
}

function revokedWith(revoked: GatewayEntry["revoked"], key: string, at: number) {
  return [...revoked, { key, at }].slice(-revokedMax);
}

function isSame(one: GatewayEntry, other: GatewayEntry): boolean {
  const bare = ({ key, site, labels, revoked }: GatewayEntry) => ({ key, site, labels, revoked });
  return JSON.stringify(bare(one)) === JSON.stringify(bare(other));
}

function refused(gateway: string, why: string): CodedError {
  return new CodedError("GATEWAY_KEY_REFUSED", `gateway ${gateway}: ${why}`);
}
