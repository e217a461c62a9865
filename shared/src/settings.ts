/**
 * Settings come from a YAML file, then `CAUSEWAY_*` from the environment (`__` nests, `_` and case
 * within a name do not matter), then `--set path=value`; later ones win. Values from the
 * environment and from --set are read as YAML, so `8080` is a number and `[a, b]` a list.
 * Every fault is told with its place: `edge.yaml:7:5 mqtt.listeners.0.port: …`; one in a text that
 * is a language of its own, with its place in the text.
 */
import type { Document, YAMLParseError } from "yaml";
import { LineCounter, parseDocument, parse as parseYaml } from "yaml";
import type { z } from "zod";
import { CodedError, reasonOf } from "./errors.ts";
import type { Path } from "./settings-place.ts";
import { offsetAt, offsetInText } from "./settings-place.ts";

export interface SettingsSources {
  /** For messages, as the user named it. */
  readonly fileName: string;
  readonly text: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `path=value`, dots nest. */
  readonly sets: readonly string[];
}

interface Override {
  readonly source: string;
  readonly path: Path;
  readonly value: unknown;
}

const environmentPrefix = "CAUSEWAY_";
/** Read by tools and tests, not settings. */
const environmentOthers = new Set([
  "CAUSEWAY_DATA",
  "CAUSEWAY_LONG",
  "CAUSEWAY_REQUIRE",
  "CAUSEWAY_SEED",
]);

export interface SettingsFault {
  readonly path: Path;
  readonly message: string;
  /** Where in the text at `path`, in code units. */
  readonly index?: number;
}

/** A fault as it is told: `edge.yaml:7:5`, `mqtt.listeners.0.port`, what is wrong. */
export interface PlacedFault {
  readonly place: string;
  readonly path: string;
  readonly message: string;
}

/** CONFIG_INVALID, with each of its faults apart. */
export class SettingsInvalid extends CodedError {
  readonly faults: readonly PlacedFault[];

  constructor(faults: readonly PlacedFault[]) {
    const lines = faults.map(({ place, path, message }) => `${place} ${path}: ${message}`);
    super("CONFIG_INVALID", lines.join("\n"));
    this.faults = faults;
  }
}

/** The parser's own words are for those who program with it. */
function wordsOf({ code, message }: YAMLParseError): string {
  if (code === "MULTIPLE_DOCS") return "a second document begins: there is room for one alone";
  return (message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
}

/**
 * The settings as `schema` understands them; CONFIG_UNREADABLE or CONFIG_INVALID otherwise, also for
 * what `findFaults` finds in settings that are good for themselves.
 */
export function loadSettings<Schema extends z.ZodType>(
  schema: Schema,
  sources: SettingsSources,
  findFaults: (settings: z.output<Schema>) => readonly SettingsFault[] = () => [],
): z.output<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(sources.text, { lineCounter: lines });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${sources.fileName}:${line}:${col}`;
  };
  const broken = document.errors[0];
  if (broken !== undefined) {
    throw new CodedError("CONFIG_UNREADABLE", `${place(broken.pos[0])} ${wordsOf(broken)}`);
  }
  const overrides = [
    ...environmentOverrides(schema, sources.environment),
    ...setOverrides(schema, sources.sets),
  ];
  let settings = plainValue(document, sources.fileName);
  for (const override of overrides) settings = assign(settings, override.path, override.value);
  const checked = schema.safeParse(settings);
  const faults = checked.success
    ? findFaults(checked.data)
    : checked.error.issues.flatMap(faultsOf);
  if (checked.success && faults.length === 0) return checked.data;
  const told = faults.map(({ path, message, index }): PlacedFault => {
    const override = overrides.findLast(({ path: set }) => startsWith(path, set));
    const inText =
      index === undefined || override !== undefined
        ? undefined
        : offsetInText(sources.text, document, path, index);
    const where = override?.source ?? place(inText ?? offsetAt(document, path));
    const at = index === undefined || inText !== undefined ? "" : `, at character ${index + 1}`;
    return { place: where, path: path.join(".") || "(top)", message: `${message}${at}` };
  });
  throw new SettingsInvalid(told);
}

/** The document as plain values; aliases are resolved only here, and may name nothing or explode. */
function plainValue(document: Document.Parsed, fileName: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (failure) {
    throw new CodedError("CONFIG_UNREADABLE", `${fileName}: ${reasonOf(failure)}`, {
      cause: failure,
    });
  }
}

/** How zod itself tells of keys that a schema does not have. */
const withoutCure = "Unrecognized key";

function faultsOf(issue: z.core.$ZodIssue): readonly SettingsFault[] {
  const path = issue.path.map((key) => (typeof key === "number" ? key : String(key)));
  if (issue.code === "unrecognized_keys") {
    const cure = issue.message.startsWith(withoutCure) ? "" : `: ${issue.message}`;
    return issue.keys.map((key) => ({ path: [...path, key], message: `unknown setting${cure}` }));
  }
  const index: unknown = issue.code === "custom" ? issue.params?.["offset"] : undefined;
  return [{ path, message: issue.message, ...(typeof index === "number" ? { index } : {}) }];
}

function startsWith(path: Path, prefix: Path): boolean {
  return prefix.every((key, index) => String(path[index]) === String(key));
}

function assign(target: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof key === "number") {
    const list = Array.isArray(target) ? [...target] : [];
    list[key] = assign(list[key], rest, value);
    return list;
  }
  const record =
    typeof target === "object" && target !== null && !Array.isArray(target) ? target : {};
  return { ...record, [key]: assign((record as Record<string, unknown>)[key], rest, value) };
}

function environmentOverrides(
  schema: z.ZodType,
  environment: SettingsSources["environment"],
): readonly Override[] {
  const overrides: Override[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined || !name.startsWith(environmentPrefix) || environmentOthers.has(name))
      continue;
    const path = resolvePath(schema, name.slice(environmentPrefix.length).split("__"));
    if (path === undefined) {
      throw new CodedError(
        "CONFIG_INVALID",
        `${name} names no setting: unset it or correct its name`,
      );
    }
    overrides.push({ source: name, path, value: scalar(name, text) });
  }
  return overrides;
}

function setOverrides(schema: z.ZodType, sets: readonly string[]): readonly Override[] {
  return sets.map((set) => {
    const equals = set.indexOf("=");
    if (equals < 1) throw new CodedError("CLI_USAGE", `--set ${set}: write it as path=value`);
    const source = `--set ${set.slice(0, equals)}`;
    const path = resolvePath(schema, set.slice(0, equals).split("."));
    if (path === undefined) throw new CodedError("CONFIG_INVALID", `${source} names no setting`);
    return { source, path, value: scalar(source, set.slice(equals + 1)) };
  });
}

function scalar(source: string, text: string): unknown {
  try {
    return parseYaml(text);
  } catch (failure) {
    throw new CodedError("CONFIG_INVALID", `${source}: not a YAML value`, { cause: failure });
  }
}

/** Finds the schema's own spelling of each key; undefined where there is no such setting. */
function resolvePath(schema: z.ZodType, keys: readonly string[]): Path | undefined {
  const path: (string | number)[] = [];
  let at: unknown = schema;
  for (const key of keys) {
    const inner = unwrap(at);
    if (inner.def?.type === "array" && /^[0-9]+$/.test(key)) {
      path.push(Number(key));
      at = inner.def.element;
    } else if (inner.def?.type === "record") {
      path.push(key);
      at = inner.def.valueType;
    } else {
      const shape = inner.def?.shape ?? {};
      const name = Object.keys(shape).find((known) => fold(known) === fold(key));
      if (name === undefined) return undefined;
      path.push(name);
      at = shape[name];
    }
  }
  return path;
}

interface SchemaNode {
  readonly def?: {
    readonly type?: string;
    readonly innerType?: unknown;
    readonly in?: unknown;
    readonly element?: unknown;
    readonly valueType?: unknown;
    readonly shape?: Record<string, unknown>;
  };
}

/** The schema under optional, default, prefault and pipe. */
function unwrap(schema: unknown): SchemaNode {
  let at = schema as SchemaNode;
  while (at?.def?.innerType !== undefined || at?.def?.type === "pipe") {
    at = (at.def.innerType ?? at.def.in) as SchemaNode;
  }
  return at ?? {};
}

function fold(key: string): string {
  return key.replaceAll("_", "").toLowerCase();
}
