/** The flags of `causeway-cloud silence add` as a request for a silence. */
import { CodedError } from "@causeway/shared/errors.ts";
import { alertLabels } from "@causeway/shared/operate/labels.ts";
import type { Silence } from "@causeway/shared/operate/silence.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";

export interface SilenceFlags {
  readonly match: readonly string[];
  readonly for?: string;
  readonly from?: string;
  readonly until?: string;
  readonly cron?: string;
  readonly duration?: string;
  readonly zone?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly json?: boolean;
  readonly all?: boolean;
}

/** What newSilence takes; throws CLI_USAGE. */
export function silenceRequest(flags: SilenceFlags): Readonly<Record<string, unknown>> {
  const { cron, duration, zone, from, until, comment } = flags;
  if ((cron === undefined) !== (duration === undefined))
    throw new CodedError("CLI_USAGE", "--cron and --duration come together");
  const recurring = cron === undefined ? {} : { recurring: given({ cron, duration, zone }) };
  const span = given({ startsAt: from, endsAt: until, for: flags.for });
  return { matchers: matchersOf(flags.match), ...span, ...recurring, comment };
}

/** `gateway=hall-*`, several of one label together. */
function matchersOf(texts: readonly string[]): Readonly<Record<string, string[]>> {
  const matchers: Record<string, string[]> = {};
  for (const text of texts) {
    const [, label, pattern] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (label === undefined || pattern === undefined)
      throw new CodedError("CLI_USAGE", `--match ${text}: write label=pattern`);
    matchers[label] = [...(matchers[label] ?? []), pattern];
  }
  return matchers;
}

function given(values: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const flags: Readonly<Record<string, string>> = {
  matchers: "--match",
  startsAt: "--from",
  endsAt: "--until",
  "recurring.cron": "--cron",
  "recurring.duration": "--duration",
  "recurring.zone": "--zone",
};

/** What `make` finds wrong, told of the flag that says it: throws CLI_USAGE. */
export function inFlags<Result>(make: () => Result): Result {
  try {
    return make();
  } catch (failure) {
    if (!(failure instanceof CodedError) || failure.code !== "OPERATION_INVALID") throw failure;
    const fault = failure.message.slice(`${failure.code}: `.length);
    const [, place = "", why = fault] = /^([\w.]+): (.*)$/s.exec(fault) ?? [];
    const flag = place === "" ? "--for or --until" : (flags[place] ?? `--${place}`);
    throw new CodedError("CLI_USAGE", `${flag}: ${why}`);
  }
}

/** Labels that no alert has, as far as is known. */
export function unknownLabels({ matchers }: Silence, fleet: FleetDocument): readonly string[] {
  const own = fleet.gateways.flatMap(({ labels = {} }) => Object.keys(labels));
  const known = new Set<string>([...alertLabels, ...own]);
  return Object.keys(matchers).filter((label) => !known.has(label));
}
