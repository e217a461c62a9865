/** Goal: a chain is trusted at a time that is handed in, and no flaw but an early begin is forgiven. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { certificatesOf, chainFault } from "./certificate-chain.ts";

const folder = join(import.meta.dirname, "testing/certificates-to-come");
const pem = (name: string) => certificatesOf(readFileSync(join(folder, `${name}.pem`), "utf8"));
const [authority, stranger, server] = [pem("authority"), pem("stranger"), pem("server")];
const floorMs = Date.UTC(2026, 0, 1);
const expected = { host: "localhost", trusted: authority, floorMs };

test("a server is trusted whose certificate begins after the newest time known", () => {
  expect(server).toHaveLength(2);
  expect(chainFault(server, expected)).toBeUndefined();
});

test("a certificate that is itself trusted needs nobody's signature", () => {
  expect(
    chainFault(server.slice(0, 1), { ...expected, trusted: server.slice(0, 1) }),
  ).toBeUndefined();
});

test("a server is not trusted that nobody trusted has signed", () => {
  expect(chainFault(server, { ...expected, trusted: stranger })).toMatch(
    /nobody trusted .*CN=between/,
  );
  expect(chainFault(server.slice(0, 1), expected)).toMatch(/nobody trusted .*CN=server/);
  expect(chainFault([], expected)).toMatch(/no certificate/);
});

test("a server is not trusted whose certificate was signed by another server", () => {
  expect(chainFault(pem("forged"), expected)).toMatch(/nobody trusted .*CN=forged/);
});

test("a certificate for clients is no server's", () => {
  expect(chainFault(pem("client"), expected)).toMatch(/not for servers/);
});

test("a certificate that had ended by the newest time known is refused", () => {
  const later = { ...expected, floorMs: Date.UTC(2121, 0, 1) };
  expect(chainFault(server, later)).toMatch(/CN=server ended/);
  expect(chainFault(server.slice(0, 1), { ...later, trusted: server.slice(0, 1) })).toMatch(
    /CN=server ended/,
  );
});

test("a certificate of another name or address is refused", () => {
  expect(chainFault(server, { ...expected, host: "127.0.0.1" })).toBeUndefined();
  for (const host of ["127.0.0.2", "::1", "cloud.example", ""]) {
    expect(chainFault(server, { ...expected, host }), host).toMatch(/is for DNS:localhost.*, not/);
  }
});
