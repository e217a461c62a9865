// What people and programs read of a notification, in each receiver's own form.

import { decodeDead, encodeDead } from "@causeway/shared/notify/dead-notification.ts";
import { titleOf } from "@causeway/shared/notify/message.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import { notificationOf, testNotification } from "@causeway/shared/notify/notification.ts";
import {
  alertTexts,
  titleText,
  wordingTemplate,
} from "@causeway/shared/notify/notification-words.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { topicOf, topicTemplate } from "@causeway/shared/notify/topic-template.ts";
import { webhookBody } from "@causeway/shared/notify/webhook-message.ts";
import { expect, test } from "vitest";
import { alertmanagerBody } from "./alertmanager-message.ts";
import { mailOf } from "./mail-message.ts";
import { ntfyBody } from "./ntfy-message.ts";
import { slackBody } from "./slack-message.ts";

const firing = transition();
const warm = transition({ id: "b2", device: "freezer-2", severity: "warning" });
const resolved = transition({ id: "c3", state: "resolved", at: firing.firingAt + 60_000 });

function group(over: Partial<Notification> = {}): Notification {
  return {
    key: "group-1",
    kind: "alerts",
    group: { rule: "too-warm", gateway: "gw-1" },
    firing: [warm, firing],
    resolved: [resolved],
    omitted: 7,
    reason: "new",
    at: firing.at + 1_000,
    ...over,
  };
}

const one = notificationOf(firing);
const parsed = (text: string): Record<string, unknown> => JSON.parse(text);

test("a title tells one alert whole, and of many how many, how bad, what and where", () => {
  expect(titleText(one, {})).toBe(titleOf(firing));
  expect(titleText(group(), {})).toBe("critical: 2 firing, 1 resolved, 7 more of too-warm at gw-1");
  expect(titleText(group({ firing: [], omitted: 0, reason: "late", kind: "digest" }), {})).toBe(
    `found late: ${titleOf(resolved)}`,
  );
  expect(titleText(group({ reason: "repeat", group: { gateway: "@plant" } }), {})).toBe(
    "still firing: critical: 2 firing, 1 resolved, 7 more at site plant",
  );
});

test("a template has what all alerts share, and leaves out what they do not", () => {
  const title = "{severity} {count} {rule}/{device}|{gateway}|{state}";
  expect(titleText(group(), { title })).toBe("critical 10 too-warm/|gw-1|firing");
  expect(titleText(one, { title: "{title}!" })).toBe(`${titleOf(firing)}!`);
  const text = "{device} {value} {unit} {{{duration}}}";
  const lines = alertTexts(group(), { text }, 2);
  expect(lines).toEqual(["freezer-2 -3.5 Cel {0 s}", "freezer-1 -3.5 Cel {0 s}", "and 8 more"]);
});

test("what was found late says when it happened and when it became known, in every form", () => {
  const knownAt = firing.firingAt + 7 * 86_400_000;
  const late = { late: true, knownAt };
  const ended = transition({ ...resolved, ...late });
  const when = "(happened 2026-01-01T00:00:00Z, known 2026-01-08T00:00:00Z)";
  const digest = group({ kind: "digest", reason: "late", firing: [], resolved: [ended, ended] });
  expect(alertTexts(digest, {}, 1)[0]).toBe(`${titleOf(ended)} ${when}`);
  const only = notificationOf(ended);
  const addresses = { from: "a@b.example", to: ["c@d.example"] };
  expect(mailOf(digest, addresses, {}).text).toContain(when);
  for (const told of [digest, only]) {
    expect(slackBody(told, {})).toContain(when);
    expect(ntfyBody(told, "ops", {})).toContain(when);
    expect(alertmanagerBody(told, 3_600_000, {})).toContain(when);
    const alerts = told.resolved.map(({ firingAt }) => ({ firingAt, knownAt }));
    expect(parsed(webhookBody(told, {}))).toMatchObject({ alerts });
  }
  expect(alertTexts(only, { text: "{knownAt}" }, 1)).toEqual(["2026-01-08T00:00:00.000Z"]);
});

test("nothing that a device tells breaks a line or grows one without bound", () => {
  const sly = transition({ value: "a\r\nBcc: x@y.z", reason: "r".repeat(9_999) });
  const title = titleText(notificationOf(sly), { title: "{value}" });
  expect(title).toBe("a Bcc: x@y.z");
  const [line = ""] = alertTexts(notificationOf(sly), { text: "{reason}" }, 9);
  expect(line).toHaveLength(400);
});

test("a placeholder that is none is refused", () => {
  expect(wordingTemplate.safeParse("{title} {duration}").success).toBe(true);
  expect(wordingTemplate.safeParse("{titel}").error?.issues).toMatchObject([
    { message: /^no placeholder \{titel\}/ },
  ]);
});

test("a webhook gets one alert at the top and in the list, many in the list", () => {
  const { alerts, notification, ...top } = parsed(webhookBody(one, {}));
  expect(top).toEqual({ title: titleOf(firing), ...firing });
  expect(alerts).toEqual([{ title: titleOf(firing), ...firing }]);
  expect(notification).toEqual({
    ...{ key: "a1b2c3d4/firing", kind: "alerts", reason: "new", omitted: 0, at: firing.at },
    group: { rule: "too-warm", gateway: "gw-1" },
  });
  const many = parsed(webhookBody(group(), {}));
  expect(Object.keys(many)).toEqual(["title", "notification", "alerts"]);
  expect(many).toMatchObject({ notification: { omitted: 7 }, alerts: [warm, firing, resolved] });
});

test("Slack gets a color, and nothing that it would take for a link or a mention", () => {
  const body = parsed(slackBody(notificationOf(transition({ device: "<!channel> & co" })), {}));
  expect(body["text"]).toContain("&lt;!channel&gt; &amp; co");
  expect(body["attachments"]).toMatchObject([
    { color: "#d32f2f", text: firing.reason.replace(">", "&gt;") },
  ]);
  const ended = parsed(slackBody(notificationOf(resolved), {}));
  expect(ended["attachments"]).toMatchObject([{ color: "#2e7d32" }]);
});

test("ntfy rings through for what is critical, and for neither its end nor history", () => {
  expect(parsed(ntfyBody(one, "ops", {}))).toEqual({
    ...{ topic: "ops", title: titleOf(firing), message: firing.reason, priority: 5 },
    tags: ["rotating_light"],
  });
  const priority = (told: Notification) => parsed(ntfyBody(told, "ops", {}))["priority"];
  expect(priority(notificationOf(resolved))).toBe(3);
  expect(priority(group({ kind: "digest", reason: "late" }))).toBe(3);
  expect(priority(group({ kind: "withdrawn", reason: "withdrawn" }))).toBe(3);
});

test("a message to ntfy stays below what it would turn into an attachment", () => {
  const wide = Array.from({ length: 40 }, () => transition({ device: "ü".repeat(120) }));
  const { message } = parsed(ntfyBody(group({ firing: wide, resolved: [] }), "ops", {}));
  expect(Buffer.byteLength(String(message))).toBeLessThanOrEqual(4_096);
  expect(message).toMatch(/^critical: [^\uFFFD]*…$/u);
});

test("Alertmanager gets each alert under labels that its end has too", () => {
  const body: { labels: unknown; endsAt: string; startsAt: string }[] = JSON.parse(
    alertmanagerBody(group({ firing: [firing], resolved: [resolved] }), 3_600_000, {}),
  );
  expect(body).toHaveLength(2);
  expect(body[0]?.labels).toEqual({
    ...{ alertname: "too-warm", severity: "critical", gateway: "gw-1" },
    ...{ device: "freezer-1", metric: "temperature" },
  });
  expect(body[1]?.labels).toEqual(body[0]?.labels);
  expect(body.map(({ startsAt }) => startsAt)).toEqual(Array(2).fill("2026-01-01T00:00:00.000Z"));
  expect(body.map(({ endsAt }) => endsAt)).toEqual([
    "2026-01-01T01:00:01.000Z",
    "2026-01-01T00:01:00.000Z",
  ]);
});

test("to Alertmanager what is withdrawn ends now, whatever its last state (A1)", () => {
  const told = group({ kind: "withdrawn", reason: "withdrawn", resolved: [] });
  const body = JSON.parse(alertmanagerBody(told, 3_600_000, {}));
  const endsAt = "2026-01-01T00:00:01.000Z";
  expect(body).toMatchObject([{ endsAt }, { endsAt }]);
});

test("to Alertmanager history is one alert of severity info, never its alerts (A2)", () => {
  const told = group({
    kind: "digest",
    reason: "late",
    group: { gateway: "gw-1", "my-zone": "a" },
  });
  const body = JSON.parse(alertmanagerBody(told, 3_600_000, {}));
  expect(body).toHaveLength(1);
  expect(body[0].labels).toEqual({
    ...{ alertname: "causeway-digest", severity: "info", gateway: "gw-1", my_zone: "a" },
  });
  expect(body[0].annotations.description).toContain("and 7 more");
});

test("an e-mail has the same id in every retry, and one thread for firing and resolved", () => {
  const addresses = { from: "Causeway <alerts@plant.example>", to: ["a@b.example"] };
  const first = mailOf(one, addresses, {});
  expect(mailOf(one, addresses, {}).messageId).toBe(first.messageId);
  const ended = mailOf(notificationOf(transition({ state: "resolved" })), addresses, {});
  expect(ended.messageId).not.toBe(first.messageId);
  expect(ended.references).toBe(first.references);
  expect(first.messageId).toMatch(/^<[0-9a-f]{32}@plant\.example>$/);
  expect(first.subject).toBe(titleOf(firing));
  expect(first.text).toContain("since 2026-01-01T00:00:00.000Z: -3.5 Cel is above -15 Cel");
});

test("people see the readings around an alert, and the worst of one that is over", () => {
  const readings = [
    { at: 1, value: -18.000000000000004 },
    { at: 2, value: -3.5 },
  ];
  const addresses = { from: "a@b.example", to: ["c@d.example"] };
  const mail = (told: Notification) => mailOf(told, addresses, {}).text;
  const seen = transition({ evidence: { readings } });
  expect(mail(notificationOf(seen))).toContain("\n    readings: -18, -3.5 Cel\n");
  for (const text of [
    slackBody(notificationOf(seen), {}),
    ntfyBody(notificationOf(seen), "ops", {}),
  ])
    expect(text).toContain("\\nreadings: -18, -3.5 Cel");
  const evidence = { readings: [{ at: 3, device: "door-1", metric: "open", value: true }] };
  const over = { evidence: { ...evidence, worst: { at: 2, value: -1 } }, unit: undefined };
  const ended = transition({ ...resolved, ...over });
  expect(mail(notificationOf(ended))).toContain("    readings: door-1 open true; worst -1\n");
  expect(mail(one)).not.toContain("readings:");
});

test("an MQTT topic has what alerts share, and no level or wildcard that a name brings", () => {
  const template = "plant/{gateway}/{device}/{state}";
  expect(topicOf(template, one)).toBe("plant/gw-1/freezer-1/firing");
  expect(topicOf(template, group())).toBe("plant/gw-1/-/firing");
  const sly = notificationOf(transition({ device: "a/b+#" }));
  expect(topicOf(template, sly)).toBe("plant/gw-1/a_b__/firing");
  const own = notificationOf(transition({ device: "" }));
  expect(topicOf(template, own)).toBe("plant/gw-1/-/firing");
});

test.each(["alerts/#", "alerts/+/x", "$SYS/x", "alerts/{title}"])("%s is no topic", (topic) => {
  expect(topicTemplate.safeParse(topic).success).toBe(false);
});

test("a test message says so, in every form", () => {
  const told = testNotification("ops", "test/1", firing.at);
  expect(titleText(told, {})).toMatch(/^test: info: causeway-test at the cloud: .*ops/);
  const [posted] = JSON.parse(alertmanagerBody(told, 3_600_000, {}));
  expect(posted.endsAt).toBe("2026-01-01T00:05:00.000Z");
});

test("a dead notification comes back whole; one too large loses alerts, which are counted", () => {
  const dead = { receiver: "ops", reason: "HTTP 400", at: 5, notification: group() };
  expect(decodeDead(encodeDead(dead))).toMatchObject(dead);
  const large = transition({ value: "x".repeat(100_000) });
  const wide = { ...dead, notification: group({ firing: [large, large, large, large] }) };
  const kept = decodeDead(encodeDead(wide)).notification;
  expect(kept.firing).toHaveLength(2);
  expect(kept.firing.length + kept.resolved.length + kept.omitted).toBe(4 + 1 + 7);
  expect(() => decodeDead("{}")).toThrow(/^BATCH_MALFORMED/);
});
