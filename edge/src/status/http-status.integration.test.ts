/** Goal: supervisors, Prometheus and people get the same answer, and strangers none. */
import { connect } from "node:net";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { stuckStatus, wellStatus } from "../testing/edge-status.ts";
import { InspectedIntake } from "../testing/inspected.ts";
import type { EdgeStatus } from "./edge-status.ts";
import { HttpStatus } from "./http-status.ts";

async function serve(status: () => EdgeStatus, token?: string) {
  const { http: inspect } = new InspectedIntake(systemClock());
  const http = new HttpStatus({ address: { host: "127.0.0.1", port: 0 }, token, status, inspect });
  await http.start();
  onTestFinished(() => http.stop());
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${http.url()}${path}`, { headers });
  return { http, get };
}

test("/readyz turns while nothing can be acknowledged, and /livez does not", async () => {
  let status = wellStatus;
  const { get } = await serve(() => status);
  expect((await get("/readyz")).status).toBe(200);
  status = { ...wellStatus, outbox: { ...wellStatus.outbox, obstacle: "OUTBOX_FULL: no room" } };
  const answer = await get("/readyz");
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ ready: false, reasons: ["OUTBOX_FULL: no room"] });
  expect((await get("/livez")).status).toBe(200);
  status = stuckStatus;
  expect((await get("/readyz")).status, "the link may be down for weeks").toBe(200);
});

test("/metrics tells backlog by log, losses by reason, the last taken, the drain, link and clock", async () => {
  const { get } = await serve(() => stuckStatus);
  const text = await (await get("/metrics")).text();
  const value = (line: string) => {
    const found = text.split("\n").find((each) => each.startsWith(`${line} `));
    return found === undefined ? undefined : Number(found.slice(line.length + 1));
  };
  expect({
    healthy: value("causeway_edge_healthy"),
    ready: value("causeway_edge_ready"),
    link: value("causeway_edge_link_up"),
    taken: value("causeway_edge_taken_age_seconds"),
    events: value('causeway_edge_backlog_events{log="telemetry"}'),
    age: value('causeway_edge_backlog_age_seconds{log="priority"}'),
    full: value('causeway_edge_lost_total{reason="full"}'),
    tooOld: value('causeway_edge_lost_total{reason="age"}'),
    drain: value("causeway_edge_drain_seconds"),
    clock: value("causeway_edge_clock_synchronised"),
  }).toEqual({
    healthy: 0,
    ready: 1,
    link: 0,
    taken: 900,
    events: 4_185,
    age: 900,
    full: 7,
    tooOld: 2,
    drain: -1,
    clock: 1,
  });
  const again = await (await get("/metrics")).text();
  expect(again, "nothing is counted twice").toContain(
    'causeway_edge_lost_total{reason="full"} 7\n',
  );
});

test("/api/status has the whole status, whether it is healthy, and what a person reads", async () => {
  const { get } = await serve(() => stuckStatus);
  expect(await (await get("/api/status")).json()).toMatchObject({
    gateway: "plant-3",
    outbox: { backlog: { telemetry: { events: 4_185 } } },
    health: { isHealthy: false, reasons: [expect.stringContaining("taken nothing for 15 min")] },
    sections: [
      ...[{ title: "Cloud" }, { title: "Outbox" }, { title: "Devices" }, { title: "Commands" }],
      { title: "Machine" },
    ],
  });
});

test("with a token only probes are open to strangers", async () => {
  const { get } = await serve(() => wellStatus, "secret");
  for (const path of ["/", "/metrics", "/api/status", "/api/topics", "/api/devices", "/nothing"]) {
    expect((await get(path)).status, path).toBe(401);
    const headers = { authorization: "Bearer secret" };
    expect((await get(path, headers)).status, path).toBe(path === "/nothing" ? 404 : 200);
  }
  for (const path of ["/livez", "/readyz"]) expect((await get(path)).status, path).toBe(200);
});

test("a client that holds its connection open does not hold up the stop", async () => {
  const { http } = await serve(() => wellStatus);
  const socket = connect(Number(new URL(http.url()).port), "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await http.stop();
  await closed;
});

test("a page that fails is answered with 500, and the gateway goes on", async () => {
  let isBroken = true;
  const { get } = await serve(() => {
    if (isBroken) throw new Error("out of order");
    return wellStatus;
  });
  const answer = await get("/api/status");
  expect({ status: answer.status, text: await answer.text() }).toEqual({
    status: 500,
    text: "out of order\n",
  });
  isBroken = false;
  expect((await get("/api/status")).status).toBe(200);
});
