/** Compares the settings that a schema has with the rows of a page that tells of them. */
import { z } from "zod";

/**
 * By path, as it is written after --set, with [] for each of a list: the default as a page tells
 * it; `varies` where kinds of one thing have different ones.
 */
export type Settings = Readonly<Record<string, string>>;

interface Node {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly items?: Node;
  readonly oneOf?: readonly Node[];
}

export function settingsOf(schema: z.ZodType): Settings {
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node;
  const told = new Map<string, string>();
  for (const [path, text] of settingsBelow(root, "")) {
    told.set(path, (told.get(path) ?? text) === text ? text : "varies");
  }
  return Object.fromEntries(told);
}

/** The rows of `| path | default | meaning |` below a heading of the page. */
export function settingRows(page: string, heading: string): Settings {
  const [, below = ""] = page.split(`\n## ${heading}\n`);
  const [part = ""] = below.split(/^## /m);
  const rows = part.matchAll(/^\| `([^`]+)` \| ([^|]*) \| [^|]+ \|$/gm);
  return Object.fromEntries([...rows].map(([, path = "", told = ""]) => [path, told]));
}

function settingsBelow(node: Node, path: string): readonly (readonly [string, string])[] {
  const { items, oneOf = [node] } = node;
  if (items !== undefined && hasParts(items)) return settingsBelow(items, `${path}[]`);
  return oneOf.flatMap(({ properties = {}, required = [] }) =>
    Object.entries(properties).flatMap(([name, own]) => {
      const below = path === "" ? name : `${path}.${name}`;
      if (hasParts(own) || (own.items !== undefined && hasParts(own.items)))
        return settingsBelow(own, below);
      return [[below, required.includes(name) ? "needed" : textOf(name, own.default)] as const];
    }),
  );
}

function hasParts({ properties, oneOf }: Node): boolean {
  return properties !== undefined || oneOf !== undefined;
}

const units = ["GiB", "MiB", "KiB"] as const;

function textOf(name: string, value: unknown): string {
  if (value === undefined) return "none";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value !== "number" || !/bytes/i.test(name) || value === 0) return `${value}`;
  const unit = units.find((_, index) => value % 1_024 ** (3 - index) === 0);
  return unit === undefined ? `${value}` : `${value / 1_024 ** (3 - units.indexOf(unit))} ${unit}`;
}
