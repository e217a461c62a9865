// Several processes of the cloud are one to who logs in and out: by a real nats-server.
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { connectTest, prepareStreams } from "../testing/nats-journal-writer.ts";
import { NatsSessionStore } from "./nats-session-store.ts";
import { Sessions } from "./sessions.ts";
import type { Token } from "./tokens.ts";
import { Tokens } from "./tokens.ts";

const clock = systemClock();
const shift: Token = { name: "shift", scope: "operate", sites: null, secret: "s1" };
const patience = { timeout: 10_000, interval: 20 };
let server: NatsServer;

beforeAll(async () => {
  server = await startNatsServer();
  const connection = await connectTest(server.url);
  await prepareStreams(await jetstreamManager(connection, { checkAPI: false }));
  await connection.close();
});

afterAll(() => server.remove());

async function startedProcess(): Promise<Sessions> {
  const connection = await connectTest(server.url);
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const parts = { connection, jetstream: jetstream(connection), clock, random: systemRandom };
  const store = new NatsSessionStore({ ...parts, log: silentLogger }, manager);
  store.start();
  await store.loaded();
  onTestFinished(async () => {
    await store.stop();
    await connection.close();
  });
  return new Sessions(new Tokens([shift]), systemRandom, store);
}

test("a session that was ended at one process is over at all, and after a restart (P3)", async () => {
  const [one, other] = [await startedProcess(), await startedProcess()];
  const now = clock.wallMs();
  const { value, viewer } = one.begin(shift, "operate", now);
  const going = one.begin(shift, "operate", now).value;
  expect(other.find(value, now)).toBeDefined();
  await other.end(viewer, now);
  expect(other.find(value, now)).toBeUndefined();
  await vi.waitFor(() => expect(one.find(value, now)).toBeUndefined(), patience);
  const later = await startedProcess();
  expect(later.find(value, now)).toBeUndefined();
  expect(later.find(going, now)).toBeDefined();
});

test("a code logs in at another process, once, however many ask at once (P4)", async () => {
  const [one, other] = [await startedProcess(), await startedProcess()];
  const now = clock.wallMs();
  const { viewer } = one.begin(shift, "operate", now);
  const { code } = await one.code(viewer, "read", now);
  const asked = Array.from({ length: 8 }, (_, index) =>
    (index % 2 === 0 ? one : other).redeem(code, now),
  );
  const found = (await Promise.all(asked)).filter((session) => session !== undefined);
  expect(found).toHaveLength(1);
  expect(found[0]?.viewer).toMatchObject({ name: "shift", scope: "read" });
  expect(await other.redeem(code, now)).toBeUndefined();
});
