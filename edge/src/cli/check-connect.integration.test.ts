/** Goal: `causeway-edge check --connect` says at which step a way to the cloud ends, and stores nothing. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { authorityFile, pairFiles } from "../testing/file-certificates.ts";
import { EdgeProcess, edgeLauncher } from "../testing/system-edge-process.ts";
import { testFolder } from "../testing/system-test-edge.ts";

const { certFile, keyFile } = pairFiles("server");
const mark = "$JS.API.DIRECT.GET.ENGINE.mark.*.gw";
const settings = (lanes: readonly string[]) => `
tls { cert_file: "${certFile}", key_file: "${keyFile}" }
authorization { users: [
  { user: cloud, password: cloud }
  { user: gw, password: gw, permissions: {
    publish: { allow: [${[...lanes, mark].map((subject) => `"${subject}"`).join(", ")}] }
    subscribe: { allow: ["_INBOX_gw.>"] } } }
] }`;
const allLanes = ["tlm.gw.live", "tlm.gw.history", "tlm.gw.priority"];

async function server(lanes = allLanes): Promise<NatsServer> {
  const started = await startNatsServer({ settings: settings(lanes) });
  onTestFinished(() => started.remove());
  writeFileSync(join(started.folder, "password"), "gw");
  const manager = await managerOf(started);
  const add = (name: string, subject: string) =>
    manager.streams.add({ name, subjects: [subject], allow_direct: true });
  await add("TLM", "tlm.*.*");
  await add("ENGINE", "mark.*.*");
  return started;
}

async function managerOf({ port }: NatsServer) {
  const servers = `tls://localhost:${port}`;
  const tls = { caFile: authorityFile };
  const connection = await connect({ servers, user: "cloud", pass: "cloud", tls });
  onTestFinished(() => connection.close());
  return jetstreamManager(connection);
}

async function check({ port, folder }: NatsServer, more: object, ...flags: readonly string[]) {
  const auth = { user: "gw", passwordFile: join(folder, "password") };
  const uplink = { servers: [`tls://localhost:${port}`], auth, ...more };
  const { config } = testFolder({ uplink });
  const edge = new EdgeProcess([edgeLauncher, "check", "--connect", "--config", config, ...flags]);
  onTestFinished(() => edge.kill());
  const { code, stdout, stderr } = await edge.ended;
  return { code, stderr, lines: stdout.trim().split("\n") };
}

const tls = { caFile: authorityFile };

test("a way that is whole is told step by step, and nothing is stored", async () => {
  const nats = await server();
  const { code, lines } = await check(nats, { tls });
  const steps = lines.slice(2).map((line) => line.trim().split(/\s+/).slice(0, 2).join(" "));
  expect(steps).toEqual([
    ...["ok name", "ok connect", "ok hello", "ok tls", "ok login"],
    ...["ok publish", "ok publish", "ok publish", "ok mark"],
  ]);
  expect(code).toBe(0);
  const manager = await managerOf(nats);
  expect((await manager.streams.info("TLM")).state.messages).toBe(0);
});

test("a lane that is denied is named, with its cure", async () => {
  const nats = await server(allLanes.slice(0, 2));
  const { code, lines } = await check(nats, { tls }, "--json");
  const found = lines.map((line) => JSON.parse(line) as { ok: boolean; detail: string });
  expect(found.filter(({ ok }) => !ok)).toEqual([
    expect.objectContaining({
      step: "publish",
      detail: expect.stringMatching(/^tlm\.gw\.priority: .*NATS_DENIED/),
    }),
  ]);
  expect(code).toBe(1);
});

test("where it ends is the last step, and other servers are tried all the same", async () => {
  const nats = await server();
  const good = `tls://localhost:${nats.port}`;
  const { code, lines } = await check(nats, { tls, servers: ["nats://127.0.0.1:1", good] });
  const text = lines.join("\n");
  expect(text).toMatch(/FAILED\s+connect\s+\d+ ms\s+NATS_UNREACHABLE: .*nobody listens there/);
  expect(text).toMatch(/ok\s+mark/);
  expect(code).toBe(1);
  const distrusting = await check(nats, {});
  expect(distrusting.lines.at(-1)).toMatch(/FAILED\s+tls\s+\d+ ms\s+NATS_TLS_FAILED/);
  expect(distrusting.code).toBe(1);
});
