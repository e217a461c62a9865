/** Goal: a client may do what a rule of its own allows and nothing beside it, whatever its name is. */
import { describe, expect, test } from "vitest";
import { covers, parseAcl } from "./acl.ts";
import { matches } from "./topic-filter.ts";

const grantsOf = (text: string, user: string | undefined, client = "c1") =>
  parseAcl(text, "acl").grants({ user, client });

describe("rules", () => {
  test("what no rule allows is denied, the empty file included", () => {
    for (const text of ["", "# nothing\n\n"]) {
      const grants = grantsOf(text, "pump");
      expect(grants.mayPublish("devices/c1/telemetry")).toBe(false);
      expect(grants.maySubscribe("devices/c1/telemetry")).toBe(false);
      expect(grants.mayReceive("devices/c1/telemetry")).toBe(false);
      expect(grants.mayConnect, "client ids are free without a rule for them").toBe(true);
    }
  });

  test("publish, subscribe and both are told apart", () => {
    const grants = grantsOf("user * publish a\nuser * subscribe b/#\nuser * both c", undefined);
    const topics = ["a", "b/x", "c"];
    expect(topics.map((topic) => grants.mayPublish(topic))).toEqual([true, false, true]);
    expect(topics.map((topic) => grants.maySubscribe(topic))).toEqual([false, true, true]);
    expect(topics.map((topic) => grants.mayReceive(topic))).toEqual([false, true, true]);
  });

  test("a rule is for its user only, those of * are for all", () => {
    const text = 'user * publish all\nuser pump publish own\nuser "Pump 7" publish seven';
    const publish = (user: string | undefined) =>
      ["all", "own", "seven"].filter((topic) => grantsOf(text, user).mayPublish(topic));
    expect(publish(undefined)).toEqual(["all"]);
    expect(publish("fan")).toEqual(["all"]);
    expect(publish("pump")).toEqual(["all", "own"]);
    expect(publish("Pump 7")).toEqual(["all", "seven"]);
    expect(publish("__proto__")).toEqual(["all"]);
  });

  test('the user whose name is "*" is not everybody', () => {
    const text = 'user "*" publish star';
    expect(grantsOf(text, "*").mayPublish("star")).toBe(true);
    expect(grantsOf(text, "pump").mayPublish("star")).toBe(false);
  });

  test("%c and %u stand for client id and user, %% for a percent sign", () => {
    const grants = grantsOf("user * publish devices/%u-%c/100%%/#", "pump", "c1");
    expect(grants.mayPublish("devices/pump-c1/100%/t")).toBe(true);
    expect(grants.mayPublish("devices/fan-c1/100%/t")).toBe(false);
  });

  test.each(["+", "#", "a/b", "a+", "$SYS", "", "/"])("the name %j widens no rule", (name) => {
    for (const text of ["user * both %c/#", "user * both devices/%c/t", "user * both devices/%c"]) {
      const grants = grantsOf(text, "pump", name);
      for (const topic of ["x/y", "devices/x/t", "devices/x", "$SYS/x", "devices//t", "/x"]) {
        expect([grants.mayPublish(topic), grants.maySubscribe(topic)]).toEqual([false, false]);
      }
    }
    expect(grantsOf("user * both %u/#", name).mayPublish("x/y")).toBe(false);
  });

  test("without a user %u is nobody", () => {
    expect(grantsOf("user * both devices/%u/#", undefined).mayPublish("devices//t")).toBe(false);
    expect(grantsOf("user * both devices/%u/#", undefined).mayPublish("devices/undefined/t")).toBe(
      false,
    );
  });

  test("what was allowed last does not allow what comes next", () => {
    const grants = grantsOf("user * both a/+", undefined);
    for (const topic of ["a/b", "a/b", "b/b", "a/c", "a/b/c"]) {
      expect(grants.mayPublish(topic)).toBe(matches("a/+", topic));
      expect(grants.mayReceive(topic)).toBe(matches("a/+", topic));
    }
  });
});

describe("client ids", () => {
  const text = "user * connect %u\nuser bridge connect bridge-*\nuser admin connect *";
  test.each<[string | undefined, string, boolean]>([
    ["pump", "pump", true],
    ["pump", "fan", false],
    ["pump", "pump2", false],
    ["pump", "pum", false],
    [undefined, "pump", false],
    [undefined, "undefined", false],
    ["bridge", "bridge", true],
    ["bridge", "bridge-1", true],
    ["bridge", "bridg", false],
    ["admin", "anything", true],
    ["a/b", "a/b", true],
  ])("user %s as %s: %s", (user, client, isAllowed) => {
    expect(grantsOf(text, user, client).mayConnect).toBe(isAllowed);
  });

  test("one rule for one user binds all", () => {
    expect(grantsOf("user pump connect pump", "fan", "pump").mayConnect).toBe(false);
    expect(grantsOf("user pump connect pump", undefined, "x").mayConnect).toBe(false);
  });

  test("a name that ends in a star is no pattern", () => {
    expect(grantsOf("user * connect %u", "p*", "pump").mayConnect).toBe(false);
  });
});

describe("covering", () => {
  const levels = ["a", "b", "", "+", "#", "$x"];
  const texts = (wanted: readonly string[]) =>
    [1, 2, 3].flatMap((length) => {
      let all: string[][] = [[]];
      for (let at = 0; at < length; at++) {
        all = all.flatMap((head) => wanted.map((level) => [...head, level]));
      }
      return all.map((parts) => parts.join("/"));
    });
  const topics = [
    ...texts(["a", "b", "c", "", "$x", "$y"]),
    "a/a/a/a",
    "$x/a/a/a",
    "c/c/c/c",
  ].filter((topic) => topic !== "");
  const filters = texts(levels).filter((text) => text !== "" && !/#\//.test(text));

  test("a filter covers another exactly when it matches each topic that the other does", () => {
    const found = new Map(
      filters.map((filter) => [filter, new Set(topics.filter((topic) => matches(filter, topic)))]),
    );
    for (const allowed of filters) {
      const wide = found.get(allowed) ?? new Set();
      for (const filter of filters) {
        const narrow = found.get(filter) ?? new Set();
        // One that matches no topic at all, "" for one, may be answered either way.
        if (narrow.size === 0) continue;
        const isCovered = [...narrow].every((topic) => wide.has(topic));
        // +/# is the same as #, and /+/# as /#, for there is no empty topic; nobody writes them so.
        if (allowed.endsWith("+/#") && /^\/?#$/.test(filter) && isCovered) continue;
        if (covers(allowed, filter) !== isCovered) {
          expect({ allowed, filter, covers: !isCovered }).toEqual({
            allowed,
            filter,
            covers: isCovered,
          });
        }
      }
    }
  });
});

describe("a line that cannot be read is told with its number", () => {
  test.each([
    ["no user", "publish a"],
    ["no action", "user pump"],
    ["no filter", "user pump publish"],
    ["another action", "user pump read a"],
    ["a wildcard within a level", "user pump publish a/b+"],
    ["# before the end", "user pump publish #/a"],
    ["an unknown placeholder", "user pump publish %d"],
    ["a lone percent sign at the end", "user pump publish a%"],
    ["a name without its second quote", 'user "Pump publish a'],
    ["an empty name", 'user "" publish a'],
    ["a broken escape in a name", 'user "a\\x" publish a'],
    ["a star before the end of a client id", "user pump connect *-x"],
    ["the client id as its own rule", "user pump connect %c"],
    ["an allow rule of another broker", "topic readwrite a"],
  ])("%s", (_what, line) => {
    const read = () => parseAcl(`# head\nuser a publish b\n${line}\n`, "etc/acl");
    expect(read).toThrow(/^CONFIG_INVALID: etc\/acl:3: /);
  });

  test("all of them at once, and lines may end as on Windows", () => {
    expect(() => parseAcl("x\r\nuser a publish b\r\ny\r\n", "acl")).toThrow(/acl:1: .*\nacl:3: /);
    expect(grantsOf("user a publish b\r\n", "a").mayPublish("b")).toBe(true);
  });
});
