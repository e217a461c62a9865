/** The gateway's own rules and those who are told of them, opened from edge.yaml. */
import type { Clock } from "@causeway/shared/clock.ts";
import type { Command } from "@causeway/shared/command/command.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { CommandReceiver } from "@causeway/shared/notify/command-receiver.ts";
import { parseBlock } from "@causeway/shared/notify/egress.ts";
import { httpWebhook } from "@causeway/shared/notify/http-webhook.ts";
import { logReceiver } from "@causeway/shared/notify/log-receiver.ts";
import { planOf } from "@causeway/shared/notify/plan-settings.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import { GuardedReceiver } from "@causeway/shared/notify/receiver-guard.ts";
import { signingKey } from "@causeway/shared/notify/signature.ts";
import type { TellerStatus } from "@causeway/shared/notify/teller.ts";
import type { Random } from "@causeway/shared/random.ts";
import { WatchedRules } from "@causeway/shared/rules/file-rules.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { withoutExamples } from "@causeway/shared/rules/rule.ts";
import type { FoundRules, RulesDocument } from "@causeway/shared/rules/rules-document.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { version } from "@causeway/shared/version.ts";
import { decodeRecord } from "../outbox/layout.ts";
import type { Outbox } from "../outbox/outbox.ts";
import type { GatewayRules } from "../rules/gateway-rules.ts";
import { checkedForGateway, rulesFrom } from "../rules/gateway-rules.ts";
import type { JudgingConfig } from "../rules/judging-settings.ts";
import type { AlarmsStatus } from "./alarms.ts";
import { Alarms } from "./alarms.ts";
import type { PublishHere } from "./broker-receiver.ts";
import { BrokerReceiver } from "./broker-receiver.ts";
import { LocalNotifier } from "./local-notifier.ts";
import type { LocalReceiver } from "./local-receivers.ts";
import { ToldAlarms } from "./told-alarms.ts";

export interface LocalAlarmsParts {
  /** Undefined where edge.yaml has no rules any more, and some are left in the store. */
  readonly config: JudgingConfig | undefined;
  readonly gateway: GatewayId;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly waitMs: number;
  readonly presentMs: () => number;
  readonly publish: PublishHere;
  /** Resolves once the command is on the disk. */
  readonly command: (command: Command) => Promise<void>;
  readonly notice: (name: string, detail: string) => void;
  /** Alarms are on the disk. */
  readonly raised?: () => void;
}

export interface LocalAlarmsStatus {
  readonly rules: AlarmsStatus | undefined;
  readonly receivers: readonly TellerStatus[];
}

export class LocalAlarms {
  readonly #parts: LocalAlarmsParts;
  readonly #alarms: Alarms;
  readonly #notifier: LocalNotifier;
  readonly #file: WatchedRules<GatewayRules> | undefined;
  #refused = "";
  #fleet = emptyFleet;

  /** A file that cannot be used must not keep devices from being heard: the last good rules go on. */
  static async open(parts: LocalAlarmsParts): Promise<LocalAlarms> {
    return new LocalAlarms(parts, await keptRules(parts.outbox));
  }

  private constructor(parts: LocalAlarmsParts, kept: RulesDocument | undefined) {
    this.#parts = parts;
    const { config, gateway, outbox, clock, random, log, waitMs, presentMs } = parts;
    const receivers = config?.receivers ?? [];
    const rulesFile = config?.rulesFile;
    this.#file =
      rulesFile === undefined
        ? undefined
        : new WatchedRules(
            rulesFile,
            (document, source) => this.#from(document, source),
            clock,
            log,
          );
    this.#alarms = new Alarms({
      ...{ gateway, outbox, clock, log, waitMs, presentMs, isHeard: receivers.length > 0 },
      rules: this.#first(kept),
    });
    const told = new ToldAlarms(gateway, this.#alarms.records, clock);
    this.#alarms.listen(() => {
      told.heard();
      parts.raised?.();
    });
    this.#notifier = new LocalNotifier({
      receivers: receivers.map((settings) => ({
        receiver: openReceiver(settings, parts),
        settings: planOf(settings),
      })),
      ...{ records: outbox.records, alarms: told, clock, random, log },
      fleet: () => this.#fleet,
      dead: (receiver, { key }, reason) =>
        parts.notice("notification-dead", `${receiver}: ${reason} (${key})`),
    });
  }

  get names(): readonly string[] {
    return this.#alarms.names;
  }

  selects(device: string, metric: string): boolean {
    return this.#alarms.selects(device, metric);
  }

  appended(): void {
    this.#alarms.appended();
  }

  async start(): Promise<void> {
    await this.#alarms.start();
    const found = this.#file?.read();
    if (found !== undefined) this.#found(found);
    this.#file?.start((found) => this.#found(found));
    this.#notifier.start();
  }

  async stop(): Promise<void> {
    this.#file?.stop();
    await this.#notifier.stop();
    await this.#alarms.stop();
  }

  reload(): void {
    this.#file?.reload();
  }

  status(): LocalAlarmsStatus {
    return { rules: this.#alarms.status(), receivers: this.#notifier.status() };
  }

  #first(kept: RulesDocument | undefined): GatewayRules | undefined {
    const { config } = this.#parts;
    if (config === undefined) return undefined;
    if (this.#file === undefined) {
      const { rules, fleet = emptyFleet } = config;
      if (rules === undefined) return undefined;
      return this.#from({ rules, fleet }, "edge.yaml");
    }
    const found = this.#file.read();
    if (found.kind === "good") return found.rules;
    this.#parts.log.error(
      { source: found.source, reason: found.reason },
      "rules are refused; the last good ones go on",
    );
    return kept && this.#from(kept, "the last good rules");
  }

  #from(document: RulesDocument, source: string): GatewayRules {
    const { config, gateway } = this.#parts;
    const { seriesMax = 0, alarmsMax = 0 } = config?.alarms ?? {};
    const bounds = { seriesPerGatewayMax: seriesMax, alertsPerGatewayMax: alarmsMax };
    this.#fleet = document.fleet;
    return rulesFrom(checkedForGateway(document, source), source, { gateway, bounds });
  }

  /** What cannot be used replaces nothing. */
  #found(found: FoundRules<GatewayRules>): void {
    const { log, notice } = this.#parts;
    if (found.kind === "good") {
      this.#refused = "";
      const { rules, fleet } = found.rules;
      this.#alarms.records.keepRules(JSON.stringify({ rules: rules.map(withoutExamples), fleet }));
      return this.#alarms.change(found.rules);
    }
    const { source, reason } = found;
    this.#alarms.refuse(reason);
    if (reason === this.#refused) return;
    this.#refused = reason;
    log.error({ source, reason }, "rules are refused; those before stay in force");
    notice("rules-refused", `those before stay in force: ${reason}`);
  }
}

function openReceiver(settings: LocalReceiver, parts: LocalAlarmsParts): Receiver {
  const { clock, log, gateway } = parts;
  switch (settings.kind) {
    case "log":
      return logReceiver(settings.name, log);
    case "command": {
      const { command, ...own } = settings;
      const options = { ...own, gateway, command };
      return new CommandReceiver(options, clock, (sent) => parts.command(sent));
    }
    case "mqtt": {
      const { name, topic, retain, title } = { title: undefined, ...settings };
      const receiver = new BrokerReceiver(
        { name, topic, retain, wording: { title } },
        parts.publish,
      );
      return new GuardedReceiver(receiver, settings.rate, clock);
    }
    case "webhook": {
      const { secretFile, tokenFile, allowAddresses = [] } = settings;
      const key =
        secretFile === undefined ? undefined : signingKey(readSecret(secretFile), secretFile);
      const options = {
        ...settings,
        key,
        token: tokenFile === undefined ? undefined : readSecret(tokenFile),
        userAgent: `causeway-edge/${version}`,
        allowed: allowAddresses.flatMap((text) => parseBlock(text) ?? []),
        wording: settings,
      };
      return new GuardedReceiver(httpWebhook(options, clock), settings.rate, clock);
    }
  }
}

async function keptRules({ records }: Pick<Outbox, "records">) {
  const range = { from: Buffer.from("ar"), until: Buffer.from("as"), countMax: 1 };
  const [entry] = await records.scan(range);
  if (entry === undefined) return undefined;
  try {
    const { text } = decodeRecord(entry[1], "the last good rules");
    return JSON.parse(String(text)) as RulesDocument;
  } catch {
    return undefined;
  }
}
