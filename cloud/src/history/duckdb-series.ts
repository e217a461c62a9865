/** Numbers of series in DuckDB: those that were used of late are remembered. */
import type { DuckDBConnection, DuckDBValue } from "@duckdb/node-api";
import { INTEGER, LIST, listValue, VARCHAR } from "@duckdb/node-api";
import { rowsIn } from "./duckdb-database.ts";
import type { FactsOf, HistoryRow, Series, SeriesName } from "./historian.ts";

/** Beyond it all are forgotten and looked up anew. */
const rememberedMax = 200_000;

export class DuckdbSeries {
  readonly #factsOf: FactsOf;
  /** By gateway, device, metric and unit: to join them to one key would take as long as all else. */
  readonly #numbers: Names<Names<Names<Names<number>>>> = new Map();
  #remembered = 0;
  #next = 1;

  constructor(factsOf: FactsOf) {
    this.#factsOf = factsOf;
  }

  /** To be called first, and after a transaction that failed: what it added is not there. */
  async load(connection: DuckDBConnection): Promise<void> {
    this.#forget();
    const [row] = await rowsIn(connection, "SELECT coalesce(max(id), 0)::DOUBLE FROM series");
    this.#next = Number(row?.[0] ?? 0) + 1;
  }

  /** Of each row the number of its series; new ones are added. */
  async number(
    connection: DuckDBConnection,
    rows: readonly HistoryRow[],
  ): Promise<readonly number[]> {
    if (this.#remembered > rememberedMax) this.#forget();
    const missing = new Map<string, SeriesName>();
    const numbers = rows.map((row) => {
      const found = this.#find(row);
      if (found === undefined) missing.set(keyOf(row), row);
      return found ?? 0;
    });
    if (missing.size === 0) return numbers;
    await this.#look(connection, missing);
    return rows.map((row) => this.#find(row) ?? 0);
  }

  async #look(
    connection: DuckDBConnection,
    missing: ReadonlyMap<string, SeriesName>,
  ): Promise<void> {
    const names = [...missing.values()];
    const found = await rowsIn(connection, lookSql, namesOf(names));
    for (const [id, gateway, device, metric, unit] of found) {
      const name = { gateway, device, metric, unit } as SeriesName;
      this.#remember(name, Number(id));
    }
    const fresh = names.filter((name) => this.#find(name) === undefined);
    if (fresh.length === 0) return;
    const first = this.#next;
    const facts = fresh.map(({ gateway, device }) => this.#factsOf(gateway, device));
    const tags = facts.map((own) => listValue([...own.tags]));
    const ids = fresh.map((_, at) => first + at);
    await connection.run(
      `INSERT INTO series SELECT unnest($5), unnest($1), unnest($2), unnest($3), unnest($4),
        unnest($6), unnest($7)`,
      [
        ...namesOf(fresh),
        ...[listValue(ids), listValue(facts.map(({ site }) => site)), listValue(tags)],
      ],
      [
        ...[LIST(VARCHAR), LIST(VARCHAR), LIST(VARCHAR), LIST(VARCHAR)],
        ...[LIST(INTEGER), LIST(VARCHAR), LIST(LIST(VARCHAR))],
      ],
    );
    this.#next += fresh.length;
    for (const [at, name] of fresh.entries()) this.#remember(name, first + at);
  }

  #find({ gateway, device, metric, unit }: SeriesName): number | undefined {
    return this.#numbers.get(gateway)?.get(device)?.get(metric)?.get(unit);
  }

  #remember({ gateway, device, metric, unit }: SeriesName, id: number): void {
    const devices = within(this.#numbers, gateway);
    within(within(devices, device), metric).set(unit, id);
    this.#remembered++;
  }

  #forget(): void {
    this.#numbers.clear();
    this.#remembered = 0;
  }
}

type Names<Of> = Map<string, Of>;

function within<Of>(names: Names<Names<Of>>, name: string): Names<Of> {
  const known = names.get(name);
  if (known !== undefined) return known;
  const fresh: Names<Of> = new Map();
  names.set(name, fresh);
  return fresh;
}

const lookSql = `SELECT s.id, s.gateway, s.device, s.metric, s.unit FROM series s SEMI JOIN (
    SELECT unnest($1) AS gateway, unnest($2) AS device, unnest($3) AS metric, unnest($4) AS unit) k
  USING (gateway, device, metric, unit)`;

function keyOf({ gateway, device, metric, unit }: SeriesName): string {
  return JSON.stringify([gateway, device, metric, unit]);
}

function namesOf(names: readonly SeriesName[]): DuckDBValue[] {
  const column = (of: (name: SeriesName) => string) => listValue(names.map(of));
  return [
    ...[column(({ gateway }) => gateway), column(({ device }) => device)],
    ...[column(({ metric }) => metric), column(({ unit }) => unit)],
  ];
}

export function seriesOf(row: readonly DuckDBValue[]): Series {
  const [id, gateway, device, metric, unit, site, tags] = row;
  const listed = typeof tags === "object" && tags !== null && "items" in tags ? tags.items : [];
  return {
    id: Number(id),
    ...{ gateway: String(gateway), device: String(device), metric: String(metric) },
    ...{ unit: String(unit), site: String(site) },
    tags: Array.isArray(listed) ? listed.map(String) : [],
  };
}
