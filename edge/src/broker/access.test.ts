/** Goal: only who knows the password gets in, and a bad password file is told by its line. */
import { describe, expect, test } from "vitest";
import { checkPassword, parsePasswords, passwordLine } from "./access.ts";

const salt = Buffer.alloc(16, 7);
const line = (name: string, password: string) => passwordLine(name, password, salt);
const admits = (text: string, name: string, password: string) =>
  checkPassword(parsePasswords(text, "passwords"), name, Buffer.from(password));

describe("checking", () => {
  test("the right password is admitted, any other and any other user are not", async () => {
    const text = `# devices\n\n${line("pump", "secret")}\r\n${line("fan", "other")}\n`;
    expect(await admits(text, "pump", "secret")).toBe(true);
    expect(await admits(text, "fan", "other")).toBe(true);
    expect(await admits(text, "pump", "other")).toBe(false);
    expect(await admits(text, "pump", "")).toBe(false);
    expect(await admits(text, "nobody", "secret")).toBe(false);
    expect(await admits(text, "", "")).toBe(false);
  });

  test("an empty password file admits nobody", async () => {
    expect(await admits("", "", "")).toBe(false);
  });

  test("user names may hold colons, and no name is special", async () => {
    for (const name of ["a:b", "__proto__", "constructor", "ü"]) {
      expect(await admits(line(name, "secret"), name, "secret"), name).toBe(true);
      expect(await admits(line("pump", "secret"), name, "secret"), name).toBe(false);
    }
  });

  test("a password is bytes: what is no UTF-8 is compared as it is", async () => {
    const passwords = parsePasswords(line("pump", "\ufffd"), "passwords");
    expect(await checkPassword(passwords, "pump", Buffer.from([0xff]))).toBe(false);
  });

  test("the line of a name, a password and a salt never changes", () => {
    expect(line("pump", "secret")).toMatch(/^pump:scrypt\$16384\$8\$1\$[^$]{24}\$[^$]{44}$/);
    expect(line("pump", "secret")).toBe(line("pump", "secret"));
  });
});

const good = line("pump", "secret").slice("pump:".length);

describe("parsing", () => {
  test.each([
    ["a line without a name", `:${good}`],
    ["a line without a colon", good],
    ["a plain password", "pump:secret"],
    ["another scheme", `pump:${good.replace("scrypt", "bcrypt")}`],
    ["a cost that is no number", `pump:${good.replace("16384", "many")}`],
    ["a cost of zero", `pump:${good.replace("16384", "0")}`],
    ["a cost that is no power of two", `pump:${good.replace("16384", "16383")}`],
    ["a cost that takes more memory than allowed", `pump:${good.replace("16384", "1048576")}`],
    ["no hash", `pump:${good.slice(0, good.lastIndexOf("$"))}`],
    [
      "an empty hash, which any password would match",
      `pump:${good.slice(0, good.lastIndexOf("$") + 1)}`,
    ],
    ["a hash cut short", `pump:${good.slice(0, good.lastIndexOf("$") + 5)}`],
  ])("%s is refused with its line", (_what, text) => {
    const read = () => parsePasswords(`# head\n${text}\n`, "etc/passwords");
    expect(read).toThrow(/^CONFIG_INVALID: etc\/passwords:2: /);
  });

  test("a message about a bad line does not repeat a secret", () => {
    expect(() => parsePasswords("pump:hunter2", "passwords")).toThrow(/^(?!.*hunter2)/);
  });
});
