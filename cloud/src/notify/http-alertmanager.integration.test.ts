// What Alertmanager itself makes of what it is told.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import { notificationOf, testNotification } from "@causeway/shared/notify/notification.ts";
import type { Attempt } from "@causeway/shared/notify/receiver.ts";
import { HttpHook } from "@causeway/shared/notify/testing/http-hook.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { freePort, listening } from "@causeway/shared/testing/system-ports.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { wantedTool } from "../../../deploy/local/tools.mjs";
import { openedReceiver } from "./testing/file-receiver.ts";

const program = wantedTool("alertmanager");
/** It does not start without, wherever its program stands. */
const template = "/usr/share/prometheus/alertmanager/default.tmpl";
const signal = new AbortController().signal;

/** Tells `hookUrl` of groups at once; the URL of its API. */
async function startAlertmanager(hookUrl: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-alertmanager-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, "alertmanager.yml");
  writeFileSync(
    config,
    `route: { receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s }
receivers: [{ name: hook, webhook_configs: [{ url: "${hookUrl}" }] }]
`,
  );
  const port = await freePort();
  const flags = [
    ...[`--config.file=${config}`, `--storage.path=${folder}`, "--cluster.listen-address="],
    `--web.listen-address=127.0.0.1:${port}`,
  ];
  const child = spawn(program ?? "", flags, { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await listening(port, child);
  return `http://127.0.0.1:${port}`;
}

interface Known {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly endsAt: string;
}

async function alertsIn(url: string): Promise<readonly Known[]> {
  return (await (await fetch(`${url}/api/v2/alerts`)).json()) as readonly Known[];
}

function deliver(url: string, told: Notification): Promise<Attempt> {
  return openedReceiver({ kind: "alertmanager", url }).deliver(told, signal);
}

const runs = program !== undefined && existsSync(template);
if (program !== undefined && !runs) {
  const reason = `${program} does not start without ${template}: install its package in the system`;
  if (process.env["CAUSEWAY_REQUIRE"]?.includes("alertmanager")) throw new Error(reason);
  process.stderr.write(`SKIPPED, ${reason}\n`);
}

describe.skipIf(!runs)("Alertmanager", () => {
  test("takes what fires, tells its own receivers, and ends it when it is resolved", async () => {
    const hook = await HttpHook.open();
    onTestFinished(() => hook.close());
    const url = await startAlertmanager(hook.url);
    const at = Date.now() - 60_000;
    const firing = transition({ at, firingAt: at });
    expect(await deliver(url, notificationOf(firing))).toEqual({ kind: "delivered" });
    const [known] = await alertsIn(url);
    expect(known?.labels).toMatchObject({ alertname: "too-warm", gateway: "gw-1" });
    expect(known?.annotations["description"]).toBe(firing.reason);
    expect(Date.parse(known?.endsAt ?? "")).toBeGreaterThan(Date.now() + 6 * 86_400_000);
    const statuses = () => hook.requests.map(({ body }) => JSON.parse(body).status);
    await expect.poll(statuses, { timeout: 10_000 }).toEqual(["firing"]);
    const resolved = transition({ at: at + 30_000, firingAt: at, state: "resolved" });
    expect(await deliver(url, notificationOf(resolved))).toEqual({ kind: "delivered" });
    await expect.poll(statuses, { timeout: 10_000 }).toEqual(["firing", "resolved"]);
    expect(await alertsIn(url)).toEqual([]);
  });

  test("ends what is withdrawn, and takes digests and tests", async () => {
    const hook = await HttpHook.open();
    onTestFinished(() => hook.close());
    const url = await startAlertmanager(hook.url);
    const at = Date.now() - 1_000;
    const told = notificationOf(transition({ at, firingAt: at }));
    await deliver(url, told);
    expect(await alertsIn(url)).toHaveLength(1);
    const withdrawn: Notification = { ...told, kind: "withdrawn", reason: "withdrawn" };
    expect(await deliver(url, withdrawn)).toEqual({ kind: "delivered" });
    expect(await alertsIn(url)).toEqual([]);
    const digest: Notification = {
      ...{ ...told, kind: "digest", reason: "late", at: Date.now() },
      group: { gateway: "gw-1", "zone/a": "cold room" },
    };
    expect(await deliver(url, digest)).toEqual({ kind: "delivered" });
    expect(await deliver(url, testNotification("ops", "test/1", Date.now()))).toEqual({
      kind: "delivered",
    });
    const names = (await alertsIn(url)).map(({ labels }) => labels["alertname"]);
    expect(names.toSorted()).toEqual(["causeway-digest", "causeway-test"]);
  });
});
