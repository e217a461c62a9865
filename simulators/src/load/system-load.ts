/** Runs a load: connects, warms up, measures, waits for the last acknowledgements. */
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RecordableHistogram } from "node:perf_hooks";
import { createHistogram, performance } from "node:perf_hooks";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { deviceId } from "@causeway/shared/names.ts";
import { ackedLine } from "../acked.ts";
import type { JsonLines } from "../file-json-lines.ts";
import { LoadConnection } from "./mqtt-load-connection.ts";
import type { Pace } from "./pace.ts";
import { closedLoop, openLoop } from "./pace.ts";
import { payloadOf } from "./payload.ts";
import type { Latency, LoadReport, ProcessUse } from "./report.ts";
import { rounded } from "./report.ts";

export interface LoadOptions {
  readonly host: string;
  readonly port: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly qos: 0 | 1;
  readonly connections: number;
  readonly window: number;
  /** Messages a second of all connections; undefined is a closed loop. */
  readonly rate: number | undefined;
  /** Of all connections; Infinity until the time is over. */
  readonly messages: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly drainMs: number;
  readonly payloadBytes: number;
  /** `%d` stands for the device's name. */
  readonly topic: string;
  readonly prefix: string;
  readonly reconnects: boolean;
  /** The program under load, whose CPU and memory are told. */
  readonly pid: number | undefined;
}

const connectTimeoutMs = 30_000;
const openLoopTickMs = 1;
const processSampleMs = 200;
const clockTicksPerSecond = 100;
const failuresTold = 5;

export async function runLoad(
  options: LoadOptions,
  clock: Clock,
  acked: JsonLines | undefined,
  ending: AbortSignal,
): Promise<LoadReport> {
  const load = new Load(options, clock, acked);
  return load.run(ending);
}

class Load {
  readonly #options: LoadOptions;
  readonly #clock: Clock;
  readonly #acked: JsonLines | undefined;
  readonly #over = new AbortController();
  readonly #histogram: RecordableHistogram = createHistogram({ highest: 3_600_000_000 });
  readonly #failures: string[] = [];
  #connections: LoadConnection[] = [];
  #online = 0;
  #finished = 0;
  #messages = 0;
  #again = 0;
  #onlineAll: (() => void) | undefined;

  constructor(options: LoadOptions, clock: Clock, acked: JsonLines | undefined) {
    this.#options = options;
    this.#clock = clock;
    this.#acked = acked;
  }

  async run(ending: AbortSignal): Promise<LoadReport> {
    const { connections, rate, warmUpMs, durationMs, drainMs } = this.#options;
    const signal = AbortSignal.any([ending, this.#over.signal]);
    await this.#connect(signal);
    const beginMs = performance.now();
    this.#paces.forEach((pace, number) => {
      pace.inner = rate === undefined ? closedLoop : openLoop(rate, number, connections, beginMs);
    });
    let measured = this.#measure();
    this.#pumpAll();
    const stopTicking = rate === undefined ? () => {} : this.#tick();
    if (warmUpMs > 0) {
      await sleep(this.#clock, warmUpMs, signal);
      measured();
      measured = this.#measure();
    }
    await sleep(this.#clock, durationMs, signal);
    const { messages, elapsedMs, process, latencyMs } = measured();
    stopTicking();
    for (const connection of this.#connections) connection.end();
    const isDrained = () => this.#finished >= connections || this.#failures.length > 0;
    for (const endMs = performance.now() + drainMs; !isDrained() && performance.now() < endMs; ) {
      await sleep(this.#clock, 10);
    }
    const unacknowledged = this.#unacknowledged();
    for (const connection of this.#connections) connection.close();
    const { qos, window } = this.#options;
    return {
      ...{ qos, connections, window, rate, elapsedMs, messages },
      ...{ again: this.#again, unacknowledged, latencyMs, process },
      failures: this.#failures,
    };
  }

  /** Connections are made before they have anything to do, so that none begins late. */
  readonly #paces: { inner: Pace }[] = [];

  async #connect(signal: AbortSignal): Promise<void> {
    const { connections } = this.#options;
    const waiting: Pace = { dueMs: () => Number.POSITIVE_INFINITY, isOpen: true };
    const all = new Promise<void>((resolve) => {
      this.#onlineAll = resolve;
    });
    for (let number = 0; number < connections; number++) {
      const pace = { inner: waiting };
      this.#paces.push(pace);
      this.#connections.push(this.#connection(number, pace));
    }
    for (const connection of this.#connections) connection.start();
    await Promise.race([all, sleep(this.#clock, connectTimeoutMs, signal)]);
    if (this.#online >= connections || this.#failures.length > 0 || signal.aborted) return;
    const found = `${this.#online} of ${connections} connections were made`;
    for (const connection of this.#connections) connection.close();
    throw new CodedError("MQTT_REFUSED", `${found} within ${connectTimeoutMs} ms`);
  }

  #connection(number: number, pace: { inner: Pace }): LoadConnection {
    const { host, port, username, password, qos, reconnects, payloadBytes } = this.#options;
    const { window: windowMax, messages, connections, prefix } = this.#options;
    const device = `${prefix}${String(number + 1).padStart(4, "0")}`;
    const topic = this.#options.topic.replaceAll("%d", device);
    const messagesMax = Number.isFinite(messages)
      ? Math.floor(messages / connections) + (number < messages % connections ? 1 : 0)
      : messages;
    const credentials = { clientId: device, username, password };
    const plan = { host, port, credentials, device, topic, qos, windowMax, messagesMax };
    let wasOnline = false;
    return new LoadConnection(
      { ...plan, payloadBytes, reconnects },
      {
        dueMs: (index) => pace.inner.dueMs(index),
        get isOpen() {
          return pace.inner.isOpen;
        },
      },
      {
        online: () => {
          if (wasOnline) return;
          wasOnline = true;
          if (++this.#online === connections) this.#onlineAll?.();
        },
        done: (seq, latencyMs, again) => {
          this.#messages++;
          if (again) this.#again++;
          if (qos === 1) this.#histogram.record(Math.max(1, Math.round(latencyMs * 1_000)));
          this.#tellAcked(device, topic, seq, again);
        },
        failed: (reason) => {
          if (this.#failures.length < failuresTold) this.#failures.push(`${device}: ${reason}`);
          this.#onlineAll?.();
          this.#over.abort();
        },
        finished: () => {
          if (++this.#finished === connections) this.#over.abort();
        },
      },
      this.#clock,
      () => performance.now(),
    );
  }

  #tellAcked(device: string, topic: string, seq: number, again: boolean): void {
    if (this.#acked === undefined) return;
    const payload = payloadOf(seq, this.#options.payloadBytes);
    const digest = hash("sha256", payload);
    const publish = { device: deviceId(device), topic, seq, payload };
    this.#acked.write(ackedLine(publish, digest, again ? 1 : 0, this.#clock.wallMs()));
  }

  /** Begins to measure; what it returns ends that and tells. */
  #measure(): () => Pick<LoadReport, "messages" | "elapsedMs" | "process" | "latencyMs"> {
    const { pid } = this.#options;
    this.#messages = 0;
    this.#histogram.reset();
    const measuring = pid === undefined ? undefined : measureProcess(pid, this.#clock);
    const startMs = performance.now();
    return () => {
      const elapsedMs = Math.round(performance.now() - startMs);
      const [messages, latencyMs] = [this.#messages, this.#latency()];
      return { messages, elapsedMs, process: measuring?.(), latencyMs };
    };
  }

  #pumpAll(): void {
    for (const connection of this.#connections) connection.pump();
  }

  #tick(): () => void {
    let cancel = () => {};
    const again = () => {
      this.#pumpAll();
      cancel = this.#clock.after(openLoopTickMs, again);
    };
    again();
    return () => cancel();
  }

  #unacknowledged(): number {
    if (this.#options.qos === 0) return 0;
    return this.#connections.reduce((sum, connection) => sum + connection.inFlight, 0);
  }

  #latency(): Latency | undefined {
    if (this.#options.qos === 0 || this.#histogram.count === 0) return undefined;
    const at = (percent: number) => rounded(this.#histogram.percentile(percent) / 1_000);
    const max = rounded(this.#histogram.max / 1_000);
    return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max };
  }
}

/** Measures a process of this machine from now on, until the function it returns is called. */
function measureProcess(pid: number, clock: Clock): () => ProcessUse {
  const atStart = cpuSecondsOf(pid);
  let residentBytesMax = residentBytesOf(pid);
  let cancel = () => {};
  const sample = () => {
    residentBytesMax = Math.max(residentBytesMax, residentBytesOf(pid));
    cancel = clock.after(processSampleMs, sample);
  };
  sample();
  return () => {
    cancel();
    return { cpuSeconds: cpuSecondsOf(pid) - atStart, residentBytesMax };
  };
}

/** User and system time, of proc(5) `stat` fields 14 and 15. */
export function cpuSecondsOf(pid: number): number {
  const text = processFile(pid, "stat");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
}

export function residentBytesOf(pid: number): number {
  return Number(/VmRSS:\s+([0-9]+) kB/.exec(processFile(pid, "status"))?.[1] ?? 0) * 1_024;
}

function processFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8");
  } catch (failure) {
    const cure = "give the pid of a running program on this machine (Linux)";
    throw new CodedError("CLI_USAGE", `--pid ${pid}: ${cure}`, { cause: failure });
  }
}
