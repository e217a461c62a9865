/**
 * `npm start`: nats-server, cloud, one gateway and a simulated fleet on loopback, with data in
 * .data/. It imports nothing of the project: it starts the same programs that an operator runs.
 *
 *   A1  Every child ends when its stdin closes, so none outlives this process, SIGKILL included; and
 *       this process ends when npm, which started it, is gone.
 *   A2  Standard ports are used when they are free, others when they are not.
 *   A3  Ctrl-C stops all within 10 s: fleet, gateway, cloud, nats-server, in the order of the flow.
 *   A4  The gateway's link goes through a proxy, which the page can cut and mend, by way of the cloud
 *       (`http.demoUrl`); nothing else listens to that switch.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findNatsServer } from "./setup.mjs";

const checkout = join(dirname(fileURLToPath(import.meta.url)), "../..");
const data = process.env["CAUSEWAY_DATA"] ?? join(checkout, ".data");
const readyTimeoutMs = 30_000;
const stopTimeoutMs = 8_000;
const refreshMs = 1_000;

interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly exited: Promise<number | string>;
  readonly logFile: string;
}

const children: Child[] = [];
let stopping = false;

async function main(): Promise<void> {
  mkdirSync(join(data, "logs"), { recursive: true });
  const holder = holdData();
  process.once("exit", holder);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => void stop(0));
  watchParents();
  const natsPort = await freePort(4222);
  await startNats(natsPort);
  const ports = {
    nats: natsPort,
    cloud: await freePort(8080),
    edge: await freePort(8081),
    mqtt: await freePort(1883),
    link: await freePort(0),
    control: await freePort(0),
  };
  startProgram("link", "causeway-sim", [
    ...["proxy", "--listen", `${ports.link}`, "--target", `${natsPort}`],
    ...["--control", `${ports.control}`, "--end-with-stdin"],
  ]);
  const demoUrl = await serveDemo(ports);
  writeConfigs(ports, demoUrl);
  startProgram("cloud", "causeway-cloud", [
    "run",
    "--config",
    join(data, "cloud.yaml"),
    "--end-with-stdin",
  ]);
  startProgram("edge", "causeway-edge", [
    "run",
    "--config",
    join(data, "edge.yaml"),
    "--end-with-stdin",
  ]);
  await ready(`http://127.0.0.1:${ports.edge}/readyz`, "edge");
  await ready(`http://127.0.0.1:${ports.cloud}/readyz`, "cloud");
  startProgram("fleet", "causeway-sim", fleetArguments(ports.mqtt));
  printUrls(ports, await loginUrl(ports));
  await showCounters(ports);
}

/** One `npm start` per data folder: two would fight over the store. */
function holdData(): () => void {
  const file = join(data, "start.pid");
  const other = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (other !== process.pid && isAlive(other)) {
    fail(
      `START_RUNNING: ${data} is in use by process ${other}; stop that one, or set CAUSEWAY_DATA`,
    );
  }
  writeFileSync(file, `${process.pid}`);
  return () => writeFileSync(file, "");
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    const file = `/proc/${pid}/cmdline`;
    return !existsSync(file) || readFileSync(file, "utf8").includes("start.ts");
  } catch {
    return false;
  }
}

/** npm runs a shell that runs this; when either of them is gone, nobody can stop us any more (A1). */
function watchParents(): void {
  const parent = process.ppid;
  const grandparent = parentOf(parent);
  const timer = setInterval(() => {
    const orphaned = process.ppid !== parent || parentOf(parent) !== grandparent;
    if (orphaned) void stop(0);
  }, refreshMs);
  timer.unref();
}

/** Undefined where the system does not tell; then only the own parent is watched. */
function parentOf(pid: number): string | undefined {
  try {
    // The second field, the name in brackets, may hold spaces.
    return readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ")[1];
  } catch {
    return undefined;
  }
}

interface Ports {
  readonly nats: number;
  readonly cloud: number;
  readonly edge: number;
  readonly mqtt: number;
  /** Of the proxy between gateway and nats-server, and of what scripts it. */
  readonly link: number;
  readonly control: number;
}

/** nats-server does not watch its stdin, so a shell does it for it (A1). */
const guard = `exec 3<&0
"$@" </dev/null &
server=$!
( cat <&3 >/dev/null; kill -TERM $server ) &
guard=$!
trap 'kill -TERM $server' TERM INT HUP
wait $server
code=$?
kill $guard 2>/dev/null
exit $code`;

async function startNats(port: number): Promise<void> {
  const { path } = await findNatsServer();
  if (path === undefined)
    fail("SETUP_NATS_MISSING: no nats-server; run npm start again, or set NATS_SERVER");
  const config = join(data, "nats.conf");
  writeFileSync(
    config,
    `# Written by npm start.
listen: "127.0.0.1:${port}"
server_name: causeway-local
max_payload: 1MB
jetstream {
  store_dir: ${JSON.stringify(join(data, "nats"))}
  # A PubAck means that it is on disk.
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: 12GB
}
`,
  );
  start("nats", "sh", ["-c", guard, "guard", path, "-c", config]);
  await listening(port);
}

function writeConfigs(ports: Ports, demoUrl: string): void {
  const tokenFile = join(data, "token");
  if (!existsSync(tokenFile))
    writeFileSync(tokenFile, `${randomBytes(24).toString("hex")}\n`, { mode: 0o600 });
  const cloud = join(data, "cloud.yaml");
  writeFileSync(
    cloud,
    `# Written by npm start; your own settings go into a file of your own.
nats: { servers: ["nats://127.0.0.1:${ports.nats}"] }
dataDir: ${JSON.stringify(join(data, "cloud"))}
# Anyone on this machine may look; the link that npm start prints may do all.
http:
  host: 127.0.0.1
  port: ${ports.cloud}
  tokenFile: ${JSON.stringify(tokenFile)}
  anonymous: read
  demoUrl: "${demoUrl}"
# Heartbeats come every 5 s here: a link that is cut shows soon.
gateways: { silentAfter: 15s }
rules:
  - { name: too-hot, detector: limits, hi: 32, hysteresis: 1, metrics: [temperature], severity: critical }
  - { name: unusual, detector: ewma, metrics: ["*", "!seq", "!power"] }
`,
  );
  writeFileSync(
    join(data, "edge.yaml"),
    `# Written by npm start; your own settings go into a file of your own.
gateway: demo
dataDir: ${JSON.stringify(join(data, "edge"))}
mqtt:
  listeners: [{ host: 127.0.0.1, port: ${ports.mqtt} }]
  auth: { anonymous: true }
uplink: { servers: ["nats://127.0.0.1:${ports.link}"] }
http: { host: 127.0.0.1, port: ${ports.edge} }
heartbeatMs: 5000
routes: # what the simulated devices publish does not say its units
  - topic: devices/{device}/telemetry
    unit: { temperature: °C, power: W, energy: kWh, vibration: mm/s, load: "%" }
`,
  );
}

interface Demo {
  link: "up" | "cut";
  /** When it was switched last. */
  since: number | null;
}

const demo: Demo = { link: "up", since: null };

/** A4. */
async function serveDemo(ports: Ports): Promise<string> {
  const server = createHttpServer((request, response) => {
    void answerDemo(request, response, ports).catch(() => {
      response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
}

async function answerDemo(
  request: IncomingMessage,
  response: ServerResponse,
  ports: Ports,
): Promise<void> {
  if (request.method === "POST") {
    let body = "";
    for await (const chunk of request) body = `${body}${chunk}`.slice(0, 1_024);
    const { link } = JSON.parse(body);
    await setLink(link === "cut" ? "cut" : "up", ports);
  }
  const edge = await metrics(`http://127.0.0.1:${ports.edge}/metrics`);
  const cloud = await metrics(`http://127.0.0.1:${ports.cloud}/metrics`);
  const gateway = {
    acknowledged: edge.get("causeway_edge_published_total") ?? 0,
    waiting: edge.get("causeway_edge_untaken_events") ?? 0,
    lost: cloud.get("causeway_cloud_view_lost_total") ?? 0,
  };
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ ...demo, gateway: edge.size === 0 ? null : gateway }));
}

/** New connections are refused, then those that there are end, so that none slips through. */
async function setLink(link: Demo["link"], { control }: Ports): Promise<void> {
  const url = `http://127.0.0.1:${control}/`;
  await fetch(url, { method: "PUT", body: JSON.stringify({ refuse: link === "cut" }) });
  if (link === "cut") await fetch(`${url}reset`, { method: "POST" });
  if (demo.link !== link) Object.assign(demo, { link, since: Date.now() });
}

function fleetArguments(mqttPort: number): string[] {
  const url = `mqtt://127.0.0.1:${mqttPort}`;
  const shape = ["--devices", "12", "--interval", "1000", "--profile", "mixed", "--seed", "demo"];
  return ["fleet", "--url", url, ...shape, "--fault", "demo", "--json", "--end-with-stdin"];
}

function startProgram(name: string, program: string, args: readonly string[]): void {
  start(name, join(checkout, "node_modules/.bin", program), args);
}

function start(name: string, command: string, args: readonly string[]): void {
  const logFile = join(data, "logs", `${name}.log`);
  const output = openSync(logFile, "a");
  const child = spawn(command, args, { stdio: ["pipe", output, output], detached: true });
  closeSync(output);
  child.stdin?.on("error", () => {}); // it ended before us; its exit is told below
  const exited = new Promise<number | string>((resolve) => {
    child.once("error", (failure) => resolve(failure.message));
    child.once("exit", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  children.push({ name, process: child, exited, logFile });
  void exited.then((code) => {
    if (stopping) return;
    process.stderr.write(`\nSTART_CHILD_ENDED: ${name} ended (${code}); the end of ${logFile}:\n`);
    process.stderr.write(`${lastLines(logFile, 15)}\n`);
    void stop(1);
  });
}

function lastLines(file: string, count: number): string {
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n");
}

/** A3: the flow's order, so that what was published still arrives. */
async function stop(exitCode: number): Promise<never> {
  if (stopping) return new Promise<never>(() => {});
  stopping = true;
  process.stdout.write("\nstopping …\n");
  const order = ["fleet", "edge", "link", "cloud", "nats"];
  const deadline = Date.now() + stopTimeoutMs;
  for (const name of order) {
    const child = children.find((candidate) => candidate.name === name);
    if (child === undefined) continue;
    child.process.stdin?.end();
    const left = Math.max(500, deadline - Date.now());
    const ended = await Promise.race([
      child.exited.then(() => true),
      pause(left).then(() => false),
    ]);
    if (!ended) child.process.kill("SIGKILL");
  }
  process.exit(exitCode);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs).unref());
}

/** The port where it is free, else any free one (A2). */
async function freePort(wanted: number): Promise<number> {
  return (
    (await tryPort(wanted)) ??
    (await tryPort(0)) ??
    fail("START_NO_PORT: no free port on 127.0.0.1")
  );
}

function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(undefined));
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      const found = typeof address === "object" && address !== null ? address.port : undefined;
      probe.close(() => resolve(found));
    });
  });
}

async function listening(port: number): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs;
  while ((await tryPort(port)) !== undefined) {
    if (stopping) await new Promise(() => {});
    if (Date.now() > deadline) fail(`START_NOT_READY: nats-server does not listen on ${port}`);
    await pauseRunning(50);
  }
}

/** Unlike `pause`, this keeps the process alive. */
function pauseRunning(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

async function ready(url: string, name: string): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs;
  for (;;) {
    if (stopping) await new Promise(() => {});
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    if (Date.now() > deadline) {
      const log = join(data, "logs", `${name}.log`);
      process.stderr.write(
        `START_NOT_READY: ${name} is not ready; the end of ${log}:\n${lastLines(log, 15)}\n`,
      );
      await stop(1);
    }
    await pauseRunning(100);
  }
}

/** Good once: it makes the browser that opens it an operator's. */
async function loginUrl({ cloud }: Ports): Promise<string> {
  const token = readFileSync(join(data, "token"), "utf8").trim();
  const answer = await fetch(`http://127.0.0.1:${cloud}/api/session/links`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: "{}",
  });
  const { path } = (await answer.json()) as { path?: string };
  return `http://127.0.0.1:${cloud}${path ?? "/"}`;
}

function printUrls(ports: Ports, page: string): void {
  process.stdout.write(`
Causeway runs; data and logs are in ${data}

  page      ${page}
            (logs in once; npx causeway-cloud session prints another)
  gateway   http://127.0.0.1:${ports.edge}/
  MQTT      mqtt://127.0.0.1:${ports.mqtt}   publish to devices/<device>/telemetry
  NATS      nats://127.0.0.1:${ports.nats}

  watch it arrive: npx causeway-cloud tail        stop: Ctrl-C

`);
}

/** A line that is painted over on a terminal, and a plain one every ten seconds elsewhere. */
async function showCounters(ports: Ports): Promise<void> {
  const terminal = process.stdout.isTTY === true;
  for (let turn = 0; ; turn++) {
    const line = await counterLine(ports);
    if (stopping) return;
    if (terminal) process.stdout.write(`\r\x1b[2K${line}`);
    else if (turn % 10 === 1) process.stdout.write(`${line}\n`);
    await pauseRunning(refreshMs);
  }
}

async function counterLine(ports: Ports): Promise<string> {
  const [edge, cloud] = await Promise.all([
    metrics(`http://127.0.0.1:${ports.edge}/metrics`),
    metrics(`http://127.0.0.1:${ports.cloud}/metrics`),
  ]);
  const published = edge.get("causeway_edge_published_total") ?? 0;
  const waiting = edge.get("causeway_edge_untaken_events") ?? 0;
  const link = edge.get("causeway_edge_link_up") === 1 ? "up" : "down";
  const readings = cloud.get("causeway_engine_readings_total") ?? 0;
  const alerts = cloud.get("causeway_engine_alert_transitions_total") ?? 0;
  const gateway = `acknowledged ${published}  waiting ${waiting}  link ${link}`;
  return `${gateway}  readings taken ${readings}  alert changes ${alerts}`;
}

async function metrics(url: string): Promise<ReadonlyMap<string, number>> {
  const text = await fetch(url)
    .then((answer) => answer.text())
    .catch(() => "");
  const lines = text.split("\n").filter((line) => line.startsWith("causeway_"));
  return new Map(
    lines.map((line) => {
      const [name = "", value] = line.split(" ");
      return [name, Number(value)];
    }),
  );
}

await main();
