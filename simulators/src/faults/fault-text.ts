/** `kind=shift,device=3,metric=temperature,at=60s,for=30s,every=5m,size=18`, or `demo`. */
import { CodedError } from "@causeway/shared/errors.ts";
import { durationMs } from "../duration.ts";
import type { Profile } from "../profiles/profile.ts";
import type { Fault, FaultKind } from "./fault.ts";
import { faultKinds } from "./fault.ts";

/** The part of a fleet that a fault can go to. */
export interface FaultTarget {
  readonly name: string;
  readonly profile: Profile;
}

/** Early enough to be seen by who tries Causeway for three minutes, and over in that time. */
const demoFault = "kind=shift,device=1,at=75s,for=45s,every=4m";

const keys = ["kind", "device", "metric", "at", "for", "every", "size"] as const;
type Key = (typeof keys)[number];
type Fields = Partial<Record<Key, string>>;

/** The fault that `text` means for these devices; CLI_USAGE where it means none. */
export function parseFault(text: string, targets: readonly FaultTarget[]): Fault {
  const fields = fieldsOf(text === "demo" ? demoFault : text);
  const device = deviceOf(fields.device ?? "1", targets);
  const profile = targets[device]?.profile;
  const metric = fields.metric ?? profile?.metrics[0];
  if (profile === undefined || metric === undefined || !profile.metrics.includes(metric)) {
    const known = profile?.metrics.join(", ");
    throw usage(`metric=${metric}: ${targets[device]?.name} measures ${known}`);
  }
  const atMs = durationOf("at", fields.at ?? "60s", 0);
  const forMs = durationOf("for", fields.for ?? "30s", 1);
  const everyMs = fields.every === undefined ? undefined : durationOf("every", fields.every, 1);
  if (everyMs !== undefined && everyMs <= forMs) {
    throw usage(`every=${fields.every} is not longer than for=${fields.for ?? "30s"}`);
  }
  const size = sizeOf(fields.size, profile);
  return { kind: kindOf(fields.kind), device, metric, atMs, forMs, everyMs, size };
}

function fieldsOf(text: string): Fields {
  const fields: Fields = {};
  for (const part of text.split(",")) {
    const [name = "", ...rest] = part.split("=");
    const key = keys.find((known) => known === name.trim());
    if (key === undefined || rest.length === 0) {
      throw usage(`${JSON.stringify(part)}; write ${keys.join("=…,")}=…, or demo`);
    }
    fields[key] = rest.join("=").trim();
  }
  return fields;
}

function kindOf(text: string | undefined): FaultKind {
  const kind = faultKinds.find((known) => known === (text ?? "shift"));
  if (kind === undefined) throw usage(`kind=${text}; one of ${faultKinds.join(", ")}`);
  return kind;
}

/** A number from 1, or a name. */
function deviceOf(text: string, targets: readonly FaultTarget[]): number {
  const named = targets.findIndex(({ name }) => name === text);
  if (named >= 0) return named;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= targets.length) return number - 1;
  throw usage(`device=${text}; a number from 1 to ${targets.length}, or a name of the fleet`);
}

function durationOf(key: Key, text: string, leastMs: number): number {
  const value = durationMs(text, "s");
  if (value === undefined || value < leastMs) throw usage(`${key}=${text}; a time as 60s or 2m`);
  return value;
}

function sizeOf(text: string | undefined, profile: Profile): number {
  const size = text === undefined ? profile.faultSize : Number(text);
  if (!Number.isFinite(size) || size === 0 || text === "") {
    throw usage(`size=${text}; a number other than 0`);
  }
  return size;
}

function usage(what: string): CodedError {
  return new CodedError("CLI_USAGE", `--fault ${what}`);
}
