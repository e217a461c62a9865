/** What a later JSON Schema refuses, or no longer names, that an earlier one of the same major let be written. */
type Schema = Readonly<Record<string, unknown>>;

/** Empty where every document of the earlier one is one of the later, with all that it meant. */
export function schemaBreaks(earlier: unknown, later: unknown, path = ""): readonly string[] {
  if (!isSchema(earlier) || !isSchema(later)) return [];
  return [
    ...choiceBreaks(earlier, later, path),
    ...valueBreaks(earlier, later, path),
    ...propertyBreaks(earlier, later, path),
    ...["items", "additionalProperties"].flatMap((key) =>
      schemaBreaks(earlier[key], later[key], `${path}/${key}`),
    ),
  ];
}

/** Alternatives may be added; each that there was must still be there. */
function choiceBreaks(earlier: Schema, later: Schema, path: string): readonly string[] {
  return ["anyOf", "oneOf"].flatMap((key) => {
    const [before, after] = [listOf(earlier[key]), listOf(later[key])];
    return before.flatMap((option, index) => {
      const place = `${path}/${key}/${nameOf(option) ?? index}`;
      const named = after.filter((each) => nameOf(each) === nameOf(option));
      if (named.length === 0) return [`${place} is gone`];
      const breaks = named.map((each) => schemaBreaks(option, each, place));
      return breaks.toSorted((one, other) => one.length - other.length)[0] ?? [];
    });
  });
}

function valueBreaks(earlier: Schema, later: Schema, path: string): readonly string[] {
  const breaks: string[] = [];
  const [types, own] = [typesOf(earlier), typesOf(later)];
  if (own.length > 0 && (types.length === 0 || !types.every((type) => own.includes(type)))) {
    breaks.push(`${path} was of type ${types}, is ${own}`);
  }
  const values = listOf(later["enum"] ?? (later["const"] === undefined ? [] : [later["const"]]));
  const before = listOf(
    earlier["enum"] ?? (earlier["const"] === undefined ? [] : [earlier["const"]]),
  );
  for (const value of before) {
    if (values.length > 0 && !values.includes(value))
      breaks.push(`${path} may not be ${value} now`);
  }
  if (before.length === 0 && values.length > 0) breaks.push(`${path} may be ${values} only now`);
  for (const [key, sign] of Object.entries(bounds)) {
    const [was, is] = [boundOf(earlier[key], sign), boundOf(later[key], sign)];
    if (sign * is < sign * was) breaks.push(`${path} has ${key} ${is}, had ${was}`);
  }
  if (later["pattern"] !== undefined && later["pattern"] !== earlier["pattern"]) {
    breaks.push(`${path} has another pattern`);
  }
  return breaks;
}

/** 1 where a lower one is narrower. */
const bounds = {
  ...{ maximum: 1, exclusiveMaximum: 1, maxLength: 1, maxItems: 1 },
  ...{ minimum: -1, exclusiveMinimum: -1, minLength: -1, minItems: -1 },
};

function boundOf(value: unknown, sign: number): number {
  return typeof value === "number" ? value : sign * Number.POSITIVE_INFINITY;
}

function propertyBreaks(earlier: Schema, later: Schema, path: string): readonly string[] {
  const [before, after] = [earlier["properties"] ?? {}, later["properties"] ?? {}] as Schema[];
  const required = listOf(earlier["required"]);
  return [
    ...listOf(later["required"])
      .filter((name) => !required.includes(name))
      .map((name) => `${path}/${name} is required now`),
    ...Object.entries(before ?? {}).flatMap(([name, schema]) => {
      const place = `${path}/${name}`;
      if (after?.[name] === undefined) return [`${place} is gone`];
      return schemaBreaks(schema, after[name], place);
    }),
  ];
}

/** What tells an alternative from the others: the kind of event that it is of, else its type. */
function nameOf(option: unknown): string | undefined {
  if (!isSchema(option)) return undefined;
  const kind = (option["properties"] as Schema | undefined)?.["kind"];
  if (isSchema(kind) && kind["const"] !== undefined) return String(kind["const"]);
  return option["type"] === undefined ? undefined : String(option["type"]);
}

/** Empty where it may be of any. */
function typesOf({ type }: Schema): readonly unknown[] {
  return type === undefined ? [] : [type].flat();
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
