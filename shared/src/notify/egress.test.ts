// No receiver may be talked into asking a cloud's metadata service for its keys.
import { expect, test } from "vitest";
import { isRefused, parseBlock } from "./egress.ts";

const blocks = (...texts: readonly string[]) => texts.flatMap((text) => parseBlock(text) ?? []);

test.each([
  "169.254.169.254",
  "169.254.0.1",
  "::ffff:169.254.169.254",
  "::ffff:a9fe:a9fe",
  "::169.254.169.254",
  "64:ff9b::a9fe:a9fe",
  "2002:a9fe:a9fe::1",
  "fe80::1",
  "fe80::1%eth0",
  "febf:ffff::1",
  "fd00:ec2::254",
  "FD00:0EC2:0:0:0:0:0:254",
  "fd20:ce::254",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
])("%s is refused", (address) => {
  expect(isRefused(address, [])).toBe(true);
});

test.each([
  "127.0.0.1",
  "10.1.2.3",
  "169.253.255.255",
  "169.255.0.0",
  "192.168.0.1",
  "::1",
  "fd00:ec2::253",
  "fec0::1",
  "fd00::1",
  "2606:4700::1111",
  "64:ff9b::a01:203",
])("%s is allowed", (address) => {
  expect(isRefused(address, [])).toBe(false);
});

test.each(["", "localhost", "1.2.3", "256.1.1.1", "::1::2", "12345::"])(
  "%j, which is no address, is refused",
  (text) => {
    expect(isRefused(text, [])).toBe(true);
    expect(parseBlock(text)).toBeUndefined();
  },
);

test("what is named is allowed, and nothing beside it", () => {
  expect(isRefused("169.254.7.9", blocks("169.254.7.9"))).toBe(false);
  expect(isRefused("::ffff:169.254.7.9", blocks("169.254.7.9"))).toBe(false);
  expect(isRefused("169.254.7.8", blocks("169.254.7.9"))).toBe(true);
  expect(isRefused("169.254.7.8", blocks("169.254.7.0/24"))).toBe(false);
  expect(isRefused("169.254.8.8", blocks("169.254.7.0/24", "fe80::/10"))).toBe(true);
  expect(isRefused("fe80::1", blocks("fe80::/10"))).toBe(false);
});

test.each(["169.254.0.0/33", "fe80::/129", "10.0.0.0/8/8", "10.0.0.0/", "10.0.0.0/-1"])(
  "%s is no block",
  (text) => {
    expect(parseBlock(text)).toBeUndefined();
  },
);
