// Who is told of alerts is checked when the configuration is read.

import { urlFault } from "@causeway/shared/notify/receiver-settings.ts";
import { expect, test } from "vitest";
import { receiversSchema } from "./receivers.ts";

const webhook = (url: string) => ({ name: "ops", kind: "webhook", url });

test("without any, alerts go to the log", () => {
  expect(receiversSchema.parse(undefined)).toMatchObject([{ name: "log", kind: "log" }]);
});

test("a webhook waits ten seconds for an answer where nothing else is set", () => {
  const [receiver] = receiversSchema.parse([webhook("https://ops.example/hook")]);
  expect(receiver).toMatchObject({ timeoutMs: 10_000 });
});

test("an unknown setting, a name that is no token and a second use of a name are refused", () => {
  const log = { name: "log", kind: "log" };
  expect(receiversSchema.safeParse([{ ...log, url: "http://x/" }]).success).toBe(false);
  expect(receiversSchema.safeParse([{ ...log, name: "a.b" }]).success).toBe(false);
  const twice = receiversSchema.safeParse([log, webhook("http://x/"), log]);
  expect(twice.error?.issues).toMatchObject([{ path: [2, "name"], message: /named twice/ }]);
});

test("a setting that would do nothing, since each is told by itself, is refused", () => {
  const hook = { ...webhook("https://ops.example/hook"), escalateAfter: "15m" };
  const idle = receiversSchema.safeParse([{ ...hook, groupBy: ["gateway"] }]);
  const issues = idle.error?.issues.map(({ path, message }) => [path.join("."), message]);
  const message = expect.stringContaining("add tell: grouped");
  expect(issues).toEqual([
    ["0.groupBy", message],
    ["0.escalateAfter", message],
  ]);
  expect(receiversSchema.safeParse([{ ...hook, tell: "grouped" }]).success).toBe(true);
  const page = { name: "page", kind: "ntfy", topic: "x", escalateAfter: "15m" };
  expect(receiversSchema.safeParse([page]).success).toBe(true);
});

test.each([
  "http://169.254.169.254/latest/meta-data",
  "http://2852039166/",
  "http://0xa9.0xfe.1.1/",
  "http://[fe80::1]/",
  "https://[FEBF::2]:8443/",
  "http://[::ffff:169.254.169.254]/",
])("the link-local address %s is refused", (url) => {
  expect(urlFault(url)).toMatch(/link-local/);
});

test.each(["file:///etc/passwd", "ops.example", "https://user:pass@ops.example/"])(
  "%s is no address of a webhook",
  (url) => {
    expect(receiversSchema.safeParse([webhook(url)]).success).toBe(false);
  },
);

test("hosts in the own network and on the own machine are allowed", () => {
  for (const url of ["http://127.0.0.1:9093/hook", "http://10.1.2.3/", "https://[fd00::1]/"]) {
    expect(urlFault(url)).toBeUndefined();
  }
});

const email = {
  ...{ name: "mail", kind: "email", host: "mail.example", from: "a@b.example" },
  to: ["c@d.example"],
};
const mqtt = { name: "bus", kind: "mqtt", url: "mqtts://bus.example" };

test.each([
  { name: "chat", kind: "slack", url: "https://hooks.example/T/B/x" },
  { name: "chat", kind: "slack", urlFile: "/run/secrets/slack" },
  { name: "phone", kind: "ntfy", topic: "plant-3" },
  { name: "am", kind: "alertmanager", url: "http://127.0.0.1:9093" },
  email,
  { ...email, from: "Causeway <a@b.example>", user: "u", passwordFile: "/p" },
  mqtt,
  { ...mqtt, tls: { caFile: "/ca.pem" }, user: "u", passwordFile: "/p" },
  { ...webhook("http://169.254.7.9/hook"), allowAddresses: ["169.254.7.9"] },
])("%j is taken", (receiver) => {
  expect(receiversSchema.safeParse([receiver]).error?.issues ?? []).toEqual([]);
});

test.each([
  [{ name: "chat", kind: "slack" }, "url"],
  [{ name: "chat", kind: "slack", url: "https://a.example/", urlFile: "/x" }, "url"],
  [{ name: "am", kind: "alertmanager", url: "http://[fd00:ec2::254]:9093" }, "url"],
  [{ ...email, host: "169.254.169.254" }, "host"],
  [{ ...email, host: "fe80::1" }, "host"],
  [{ ...email, user: "u" }, "user"],
  [{ ...email, user: "u", passwordFile: "/p", security: "none" }, "user"],
  [{ ...mqtt, url: "ws://bus.example" }, "url"],
  [{ ...mqtt, url: "mqtt://bus.example", tls: { caFile: "/ca.pem" } }, "tls"],
  [{ ...webhook("http://169.254.7.8/hook"), allowAddresses: ["169.254.7.9"] }, "url"],
])("%j is refused at %s", (receiver, setting) => {
  const { error } = receiversSchema.safeParse([receiver]);
  expect(error?.issues).toMatchObject([{ path: [0, setting] }]);
});

test("a template with a wrong placeholder, and an address that is none, are refused", () => {
  const wrong = { ...webhook("http://a.example/"), text: "{titel}", allowAddresses: ["home"] };
  const paths = receiversSchema.safeParse([wrong]).error?.issues.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining([
      [0, "text"],
      [0, "allowAddresses", 0],
    ]),
  );
  expect(receiversSchema.safeParse([{ ...email, to: ["a@b.example, c@d.example"] }]).success).toBe(
    false,
  );
});
