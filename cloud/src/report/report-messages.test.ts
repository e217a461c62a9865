// Goal: a report is read in every form in which it is told, and survives every place where it is kept.
import type { LogFields } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { decodeDead, encodeDead } from "@causeway/shared/notify/dead-notification.ts";
import { logReceiver } from "@causeway/shared/notify/log-receiver.ts";
import { reportNotification } from "@causeway/shared/notify/notification.ts";
import { titleText } from "@causeway/shared/notify/notification-words.ts";
import { decodeNotification, encodeNotification } from "@causeway/shared/notify/plan-codec.ts";
import {
  decodeReportMessage,
  encodeReportMessage,
} from "@causeway/shared/notify/report-message.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { topicOf } from "@causeway/shared/notify/topic-template.ts";
import { webhookBody } from "@causeway/shared/notify/webhook-message.ts";
import { compileFleet, emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { expect, test } from "vitest";
import { mailOf } from "../notify/mail-message.ts";
import { ntfyBody } from "../notify/ntfy-message.ts";
import { slackBody } from "../notify/slack-message.ts";
import { FleetBook } from "./fleet-book.ts";
import { PeriodSums } from "./period-sums.ts";
import type { Report } from "./report.ts";
import { reportOf } from "./report.ts";
import { noticeOf } from "./report-text.ts";

const from = Date.UTC(2026, 10, 20);
const to = from + 86_400_000;

/** Of so many gateways, each a site of its own. */
function reportOver(gateways: number): Report {
  const sums = new PeriodSums({ from, to }, from);
  for (let gateway = 0; gateway < gateways; gateway++) {
    const own = sums.of(`g${gateway}`);
    own.readings = 7;
    for (let alert = 0; gateways > 1 && alert < 9; alert++) {
      const [device, rule] = [`${"d".repeat(127)}${alert}`, `${"w".repeat(63)}${alert}`];
      sums.addFiring(
        transition({ id: `${gateway}-${alert}`, gateway: `g${gateway}`, device, rule }),
      );
    }
    for (let reason = 0; reason < 9; reason++)
      for (let range = 0; range < 9; range++) {
        const place = { epoch: `1-${"0".repeat(64)}`, log: "telemetry" as const };
        const at = range * 10;
        sums.addLost(`g${gateway}`, `${"r".repeat(64)}${reason}`, {
          ...place,
          from: at,
          to: at + 2,
        });
      }
  }
  const sites = Array.from({ length: gateways }, (_, at) => ({
    ...{ match: [`g${at}`], site: `site-${at}-${"s".repeat(100)}` },
  }));
  const fleet = compileFleet(gateways > 1 ? { gateways: sites, devices: [] } : emptyFleet);
  const head = { id: "id", name: "daily", every: "daily", zone: "UTC", madeAt: to, since: from };
  const whole = { from, to, missed: 0, missedFrom: 0, isEngineBehind: false };
  return reportOf(new FleetBook(180_000), sums, { ...head, ...whole, match: {}, fleet });
}

const report = reportOver(1);
const notice = noticeOf(report);
const told = reportNotification("daily", "report/id", notice, to);

test("in each form it has its title, and as much of the rest as fits there", () => {
  const title = "report daily: 1 gateway, 243 lost, 0 alerts";
  const mail = mailOf(told, { from: "a@b.example", to: ["c@d.example"] }, { title: "{rule}!" });
  expect(mail).toMatchObject({ subject: title, text: `${notice.text.join("\n")}\n` });
  expect(mail.references).not.toBe(mail.messageId);
  const slack = JSON.parse(slackBody(told, {}));
  expect(slack.text).toBe(title);
  expect(slack.attachments[0].text).toBe(notice.summary.join("\n"));
  const ntfy = JSON.parse(ntfyBody(told, "ops", {}));
  const rest = { priority: 3, tags: ["bar_chart"], message: notice.summary.join("\n") };
  expect(ntfy).toEqual({ topic: "ops", title, ...rest });
  const hook = JSON.parse(webhookBody(told, {}));
  expect(hook).toMatchObject({ title, alerts: [], notification: { kind: "report" } });
  expect(hook.report).toEqual(report);
  const topic = topicOf("causeway/alerts/{gateway}/{rule}", told);
  expect(topic).toBe("causeway/alerts/-/report-daily");
});

test("the log has a line for it", async () => {
  const lines: [LogFields, string][] = [];
  const log = {
    ...silentLogger,
    info: (fields: LogFields, text: string) => lines.push([fields, text]),
  };
  const receiver = logReceiver("log", log as never);
  expect(await receiver.deliver(told, new AbortController().signal)).toEqual({ kind: "delivered" });
  const fields = { receiver: "log", title: titleText(told, {}), summary: notice.summary };
  expect(lines).toEqual([[fields, "report"]]);
});

test("it is the same after ENGINE, the ledger and the dead letters", () => {
  const addressed = { receivers: ["hook"], notification: told };
  expect(decodeReportMessage(encodeReportMessage(addressed))).toEqual(addressed);
  expect(decodeNotification(encodeNotification(told))).toEqual(told);
  const dead = { receiver: "hook", reason: "gone", at: to, notification: told };
  expect(decodeDead(encodeDead(dead))).toMatchObject(dead);
});

test("however many sites there are, it fits into a message, and says what is left out", () => {
  const large = reportOver(300);
  expect(large).toMatchObject({ sitesOmitted: 250, total: { gateways: 300, readings: 2_100 } });
  const fitting = noticeOf(large);
  expect(Buffer.byteLength(JSON.stringify(fitting))).toBeLessThan(512 * 1_024);
  const { sites, sitesOmitted } = fitting.figures as unknown as Report;
  expect(sites.length).toBeLessThan(large.sites.length);
  expect(sites.length + sitesOmitted).toBe(300);
  expect(fitting.text.at(-1)).toBe(`and ${sitesOmitted} more sites`);
});
