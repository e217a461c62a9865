// Who is told of alerts is checked when the configuration is read.
import { expect, test } from "vitest";
import { receiversSchema, urlFault } from "./receivers.ts";

const webhook = (url: string) => ({ name: "ops", kind: "webhook", url });

test("without any, alerts go to the log", () => {
  expect(receiversSchema.parse(undefined)).toEqual([{ name: "log", kind: "log" }]);
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
