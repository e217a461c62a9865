// On loopback there may be no token; then the name in `Host` tells who is really asking.
import { expect, test } from "vitest";
import { isLocalName } from "./local-name.ts";

test.each([
  "localhost",
  "localhost:8080",
  "LOCALHOST:8080",
  "127.0.0.1:8080",
  "127.1.2.3",
  "[::1]:8080",
  "causeway.localhost:8080",
  undefined,
])("%s is this machine", (host) => {
  expect(isLocalName(host)).toBe(true);
});

test.each([
  "evil.example",
  "evil.example:8080",
  "localhost.evil.example",
  "10.0.0.1:8080",
  "[::2]",
])("%s is a stranger's name", (host) => {
  expect(isLocalName(host)).toBe(false);
});
