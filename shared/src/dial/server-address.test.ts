// What an operator may write for a server is read in one way only, or refused with a cure.
import { expect, test } from "vitest";
import { addressText, serverAddress } from "./server-address.ts";

test.each([
  ["nats://a:4222", "nats://a:4222"],
  ["a", "nats://a:4222"],
  ["a:4333", "nats://a:4333"],
  ["10.0.0.7", "nats://10.0.0.7:4222"],
  ["tls://a.example.com", "tls://a.example.com:4222"],
  ["TLS://A.example.com:80", "tls://a.example.com:80"],
  ["ws://a", "ws://a:80"],
  ["wss://a", "wss://a:443"],
  ["wss://a:443", "wss://a:443"],
  ["wss://a/nats?tenant=7", "wss://a:443/nats?tenant=7"],
  ["nats://[::1]:4333", "nats://[::1]:4333"],
  ["nats://[2001:db8::7]", "nats://[2001:db8::7]:4222"],
])("%s is %s", (text, told) => {
  const address = serverAddress(text);
  expect(typeof address === "string" ? address : addressText(address)).toBe(told);
});

test.each([
  ["https://a", "write one of nats://, tls://, ws://, wss://"],
  ["nats://", "write it as nats://host:port"],
  ["nats://a:99999", "write it as nats://host:port"],
  ["nats://a b", "write it as nats://host:port"],
  ["tls://user:secret@a", "credentials do not belong into an address: see auth"],
  ["tls://a/path", "only ws:// and wss:// have a path"],
])("%s is refused: %s", (text, why) => {
  expect(serverAddress(text)).toBe(why);
});
