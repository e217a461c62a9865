/** `causeway-cloud rules`: the rules in bucket RULES, and those of the configuration beside them. */
import { CodedError } from "@causeway/shared/errors.ts";
import type { Mode } from "@causeway/shared/rules/rule.ts";
import { modes } from "@causeway/shared/rules/rule.ts";
import { textOfRule, textOfRules, withMode } from "@causeway/shared/rules/rules-text.ts";
import { SettingsInvalid } from "@causeway/shared/settings.ts";
import { rulesRevisionsMax } from "@causeway/shared/streams.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { CommandParts } from "../cli/nats-commands.ts";
import { connected } from "../cli/nats-commands.ts";
import { recordAct } from "../cli/nats-operators.ts";
import { NatsDeviceFacts } from "../devices/nats-device-facts.ts";
import { serviceOf, withService } from "../devices/service-rules.ts";
import { NatsGateways } from "../gateways/nats-gateways.ts";
import { NatsTickJournal } from "../ticks/nats-tick-journal.ts";
import { readRulesText } from "./file-rules.ts";
import { NatsRulesStore } from "./nats-rules-store.ts";
import { tellCheck } from "./rules-check.ts";
import { differencesOf, differenceText } from "./rules-diff.ts";
import type { LoadedRules, RulesDocument } from "./rules-document.ts";
import { exampleFaults, examplesIn, loadedFrom, parseRules } from "./rules-document.ts";
import { historyLine, historyText, listNote, ruleLines, ruleText } from "./rules-list.ts";
import type { RulesRevision } from "./rules-revision.ts";
import { noteCharactersMax, sourceOf } from "./rules-revision.ts";

export interface RulesParts extends CommandParts {
  readonly json: boolean;
  readonly note: string;
  /** Of the key: the one to show, or the one that must be there to be changed. */
  readonly revision: number | undefined;
  /** Throws what is wrong with them. */
  readonly configured: () => LoadedRules;
}

type Act = (parts: RulesParts, args: readonly string[]) => Promise<number>;

interface KnownAct {
  readonly act: Act;
  readonly argumentsMax: number;
}

const acts: Readonly<Record<string, KnownAct>> = {
  check: { act: () => Promise.reject(usage("write rules check FILE")), argumentsMax: 1 },
  put: { act: (parts, [file]) => put(parts, needed(file, "put FILE")), argumentsMax: 1 },
  list: { act: (parts) => opened(parts, (bucket) => list(parts, bucket)), argumentsMax: 0 },
  show: {
    act: (parts, [name]) => opened(parts, (bucket) => show(parts, bucket, name)),
    argumentsMax: 1,
  },
  history: { act: (parts) => opened(parts, (bucket) => history(parts, bucket)), argumentsMax: 0 },
  diff: {
    act: (parts, [before, after]) =>
      opened(parts, (bucket) => diff(parts, bucket, needed(before, "diff A [B]"), after)),
    argumentsMax: 2,
  },
  remove: { act: (parts) => opened(parts, (bucket) => remove(parts, bucket)), argumentsMax: 0 },
  mode: {
    act: (parts, [name, mode]) => {
      const known = modes.find((one) => one === mode);
      if (known === undefined) throw usage(`write rules mode NAME ${modes.join("|")}`);
      return opened(parts, (bucket) =>
        setMode(parts, bucket, needed(name, "mode NAME MODE"), known),
      );
    },
    argumentsMax: 2,
  },
};

const allRules = "the rules are one text: to take one out, put the text without it";

/** Throws CLI_USAGE, and what stands at the act. */
export async function rules(
  parts: RulesParts,
  act: string,
  args: readonly string[],
): Promise<number> {
  const known = Object.hasOwn(acts, act) ? acts[act] : undefined;
  if (known === undefined) throw usage(`rules ${act}: there are ${Object.keys(acts).join(", ")}`);
  const beyond = args[known.argumentsMax];
  if (beyond !== undefined) {
    const cure = act === "remove" ? `: ${allRules}` : "";
    throw usage(`rules ${act}: ${beyond} is too much${cure}`);
  }
  if (parts.note.length > noteCharactersMax)
    throw usage(`--note: at most ${noteCharactersMax} characters`);
  return known.act(parts, args);
}

/** 1 where a rule does otherwise than its examples say; needs no server. */
export function checkRules(file: string, output: { json: boolean; write(line: string): void }) {
  const check = () => {
    const text = readRulesText(file);
    const { rules: found } = loadedFrom(parseRules(text, file), file);
    const counts = { rules: found.length, examples: examplesIn(found) };
    return { counts, failures: exampleFaults(text, file) };
  };
  return tellCheck(file, check, output);
}

interface Bucket {
  readonly store: NatsRulesStore;
  /** For the operators' log. */
  readonly record: (act: string, on: string, detail: string) => Promise<void>;
  /** Of the rules that the journal's last tick names. */
  readonly named: () => Promise<string | undefined>;
  /** With what is out of service, as a running cloud has them. */
  readonly inService: (rules: LoadedRules) => Promise<LoadedRules>;
}

function opened(parts: RulesParts, act: (bucket: Bucket) => Promise<number>): Promise<number> {
  return connected(parts, async (connection) => {
    const manager = await jetstreamManager(connection);
    const client = jetstream(connection);
    const ticks = new NatsTickJournal(client, manager);
    const store = new NatsRulesStore(client, manager);
    try {
      await store.identity();
    } catch (failure) {
      const why = "there is no bucket RULES: causeway-cloud run makes it";
      throw new CodedError("NATS_JETSTREAM_MISSING", why, { cause: failure });
    }
    const inService = async (loaded: LoadedRules) => {
      const { book } = await new NatsGateways(client, manager).load();
      const devices = await new NatsDeviceFacts(client, manager).load();
      return withService(loaded, serviceOf(devices, undefined, book));
    };
    const record = (done: string, on: string, detail: string) =>
      recordAct(connection, parts, { act: done, on, detail });
    return act({ store, record, named: async () => (await ticks.last())?.tick.rules, inService });
  });
}

async function put(parts: RulesParts, file: string): Promise<number> {
  const text = readRulesText(file);
  const rulesPut = checked(text, file);
  return opened(parts, async ({ store, record }) => {
    const last = await store.last();
    if (last?.text === text) {
      expectRevision(parts, last);
      parts.write(`revision ${last.revision} is the same text already`);
      return 0;
    }
    const revision = await write(parts, last, (note, expected) => {
      return store.put(text, note, expected);
    });
    await record("rules.put", `revision ${revision}`, parts.note);
    parts.write(`revision ${revision}: ${rulesPut.length} rules; a running cloud takes them now`);
    return 0;
  });
}

/** Throws CONFIG_INVALID, for an example that fails too. */
function checked(text: string, source: string): RulesDocument["rules"] {
  const { rules: found } = loadedFrom(parseRules(text, source), source);
  const failures = exampleFaults(text, source);
  if (failures.length > 0) throw new SettingsInvalid(failures);
  return found;
}

async function list(parts: RulesParts, { store, named, inService }: Bucket): Promise<number> {
  const last = await store.last();
  const hasKey = last?.kind === "put";
  const own = await inService(hasKey ? loadedOf(last) : parts.configured());
  const namedByTick = await named();
  const lines = ruleLines(own, namedByTick);
  for (const line of lines) parts.write(parts.json ? JSON.stringify(line) : ruleText(line));
  const configured = "the rules of the configuration";
  if (!parts.json) parts.write(listNote(own, { hasKey, configured, namedByTick }));
  return 0;
}

/** As it was written; a text that cannot be used is shown too. */
async function show(parts: RulesParts, { store }: Bucket, name?: string): Promise<number> {
  const { revision } = parts;
  const last = revision === undefined ? await store.last() : await revisionOf(store, revision);
  const shown = last?.kind === "put" ? textIn(last) : textAsWritten(parts.configured());
  const { source, text } = shown;
  if (name === undefined && !parts.json) {
    parts.write(text.trimEnd());
    return 0;
  }
  const all = shown.document().rules;
  const found = name === undefined ? all : all.filter((rule) => rule.name === name);
  if (found.length === 0 && name !== undefined)
    throw new CodedError("RULES_UNKNOWN", `there is no rule ${name} in ${source}`);
  if (parts.json) for (const rule of found) parts.write(JSON.stringify(rule));
  else parts.write((textOfRule(text, name ?? "") ?? "").trimEnd());
  return 0;
}

interface Shown {
  readonly source: string;
  readonly text: string;
  readonly document: () => RulesDocument;
}

function textIn({ revision, text }: RulesRevision): Shown {
  const source = sourceOf(revision);
  return { source, text, document: () => parseRules(text, source) };
}

function textAsWritten({ source, rules: found, fleet }: LoadedRules): Shown {
  const document = { rules: found, fleet };
  return { source, text: textOfRules(document), document: () => document };
}

async function history(parts: RulesParts, { store }: Bucket): Promise<number> {
  for (const line of (await store.history()).map(historyLine))
    parts.write(parts.json ? JSON.stringify(line) : historyText(line));
  return 0;
}

/** 1 where they differ. */
async function diff(
  parts: RulesParts,
  { store }: Bucket,
  before: string,
  after: string | undefined,
): Promise<number> {
  const last = await store.last();
  const now = last?.kind === "put" ? () => loadedOf(last) : parts.configured;
  const old = await documentOf(store, before);
  const found = differencesOf(old, after === undefined ? now() : await documentOf(store, after));
  for (const one of found) parts.write(parts.json ? JSON.stringify(one) : differenceText(one));
  return found.length === 0 ? 0 : 1;
}

/** A number is a revision, anything else a file. */
async function documentOf(store: NatsRulesStore, named: string): Promise<RulesDocument> {
  if (!/^[0-9]{1,15}$/.test(named)) return parseRules(readRulesText(named), named);
  return textIn(await revisionOf(store, Number(named))).document();
}

async function revisionOf(store: NatsRulesStore, revision: number): Promise<RulesRevision> {
  const found = (await store.history()).find((one) => one.revision === revision);
  if (found?.kind === "put") return found;
  const why = found === undefined ? "is not kept" : "is where they were removed";
  const cure = `rules history has the last ${rulesRevisionsMax}`;
  throw new CodedError("RULES_UNKNOWN", `revision ${revision} ${why}: ${cure}`);
}

async function remove(parts: RulesParts, { store, record }: Bucket): Promise<number> {
  const last = await store.last();
  if (last?.kind !== "put") {
    parts.write("bucket RULES has no rules: the configuration's count already");
    return 0;
  }
  await write(parts, last, (note, expected) => store.remove(note, expected));
  await record("rules.remove", `revision ${last.revision}`, parts.note);
  parts.write(`revision ${last.revision} is removed: the configuration's rules count again`);
  return 0;
}

async function setMode(
  parts: RulesParts,
  { store, record }: Bucket,
  name: string,
  mode: Mode,
): Promise<number> {
  const last = await store.last();
  if (last?.kind !== "put") {
    const cure = "change them in their file, or put that: causeway-cloud rules put FILE";
    throw new CodedError(
      "RULES_UNKNOWN",
      `bucket RULES has no rules, the configuration's count: ${cure}`,
    );
  }
  const before = loadedOf(last).rules.find((rule) => rule.name === name)?.mode;
  if (before === mode) {
    expectRevision(parts, last);
    parts.write(`${name} is ${mode} already, in revision ${last.revision}`);
    return 0;
  }
  const text = withMode(last.text, name, mode);
  checked(text, sourceOf(last.revision));
  const change = `${name}: ${before} -> ${mode}`;
  const revision = await write(parts, last, (note, expected) =>
    store.put(text, note === "" ? change : note, expected),
  );
  await record("rules.mode", `${name} ${mode}`, parts.note);
  parts.write(`revision ${revision}: ${change}`);
  return 0;
}

function loadedOf({ text, revision }: RulesRevision): LoadedRules {
  const source = sourceOf(revision);
  return loadedFrom(parseRules(text, source), source);
}

/** Throws RULES_CHANGED where another revision than the one read, or the one named, is last. */
async function write(
  parts: RulesParts,
  last: RulesRevision | undefined,
  append: (note: string, expected: number) => Promise<number | undefined>,
): Promise<number> {
  expectRevision(parts, last);
  const revision = await append(parts.note, last?.revision ?? 0);
  if (revision !== undefined) return revision;
  throw new CodedError(
    "RULES_CHANGED",
    "someone else changed the rules just now; see rules history",
  );
}

function expectRevision({ revision }: RulesParts, last: RulesRevision | undefined): void {
  const found = last?.revision ?? 0;
  if (revision === undefined || revision === found) return;
  const why = `revision ${found} is there, not ${revision}; see rules history`;
  throw new CodedError("RULES_CHANGED", why);
}

function needed(argument: string | undefined, how: string): string {
  if (argument === undefined) throw usage(`write rules ${how}`);
  return argument;
}

function usage(why: string): CodedError {
  return new CodedError("CLI_USAGE", why);
}
