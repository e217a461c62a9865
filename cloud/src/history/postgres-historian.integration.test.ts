/** Goal: the historian in a real PostgreSQL keeps what every historian must. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import { describeHistorian, noFacts } from "./historian.contract.ts";
import { PostgresHistorian } from "./postgres-historian.ts";
import type { PostgresServer } from "./testing/system-postgres-server.ts";
import { startPostgres } from "./testing/system-postgres-server.ts";

const program = wantedTool("postgresql");

describe.skipIf(program === undefined)("PostgreSQL", () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres(program ?? "");
  });

  afterAll(() => server.stop());

  describeHistorian("PostgreSQL", async () => {
    const url = await server.database();
    return {
      open: (factsOf) => PostgresHistorian.open({ url, retentionDays: 0, factsOf }),
      remove: async () => {},
    };
  });

  test("two processes lay the tables at once, and the later one goes on", async () => {
    const url = await server.database();
    const open = () => PostgresHistorian.open({ url, retentionDays: 1, factsOf: noFacts });
    const [one, other] = await Promise.all([open(), open()]);
    const [first, second] = [await one.begin(), await other.begin()];
    expect(second.fence).toBeGreaterThan(first.fence);
    const nothing = { rows: [], losses: [], marks: [], places: undefined };
    await expect(one.write(first.fence, nothing)).rejects.toMatchObject({
      code: "HISTORY_FENCED",
    });
    await other.write(second.fence, nothing);
    await Promise.all([one.close(), other.close()]);
  });

  test("a server that is away is told by a code, without the password", async () => {
    const url = "postgres://me:secret@127.0.0.1:1/none";
    const opening = PostgresHistorian.open({ url, retentionDays: 0, factsOf: noFacts });
    await expect(opening).rejects.toMatchObject({ code: "HISTORY_OPEN_FAILED" });
    await expect(opening).rejects.not.toThrow(/secret/);
  });
});
