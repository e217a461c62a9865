// E-mail to a real SMTP server: over TLS or not at all where TLS is asked for, and each answer
// means what RFC 5321 says.
import type { AddressInfo } from "node:net";
import { titleOf } from "@causeway/shared/notify/message.ts";
import { notificationOf } from "@causeway/shared/notify/notification.ts";
import type { Attempt } from "@causeway/shared/notify/receiver.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import type { SMTPServerOptions } from "smtp-server";
import { SMTPServer } from "smtp-server";
import { expect, onTestFinished, test } from "vitest";
import {
  authorityFile,
  certificate,
  openedReceiver,
  secretFile,
  strangerFile,
} from "./testing/file-receiver.ts";

const told = notificationOf(transition());
const signal = new AbortController().signal;

interface MailServer {
  readonly port: number;
  readonly mails: { readonly to: readonly string[]; readonly text: string; secure: boolean }[];
  readonly passwords: (string | null | undefined)[];
}

class Refusal extends Error {
  readonly responseCode: number;

  constructor(responseCode: number) {
    super("not this one");
    this.responseCode = responseCode;
  }
}

async function mailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const mails: MailServer["mails"] = [];
  const passwords: MailServer["passwords"] = [];
  const server = new SMTPServer({
    ...certificate(),
    authOptional: true,
    onAuth({ username, password }, _session, done) {
      passwords.push(password);
      if (password === "right") done(null, { user: username });
      else done(new Error("wrong password"));
    },
    async onData(stream, { envelope, secure }, done) {
      let text = "";
      for await (const chunk of stream) text += chunk;
      mails.push({ to: envelope.rcptTo.map(({ address }) => address), text, secure });
      done();
    },
    ...options,
  });
  server.on("error", () => {}); // of connections that a test breaks off
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port: (server.server.address() as AddressInfo).port, mails, passwords };
}

function deliver({ port }: MailServer, settings: object): Promise<Attempt> {
  const receiver = openedReceiver({
    ...{ kind: "email", host: "localhost", port, from: "Causeway <alerts@plant.example>" },
    ...{ to: ["ann@plant.example", "bob@plant.example"], tls: { caFile: authorityFile } },
    ...settings,
  });
  return receiver.deliver(told, signal);
}

test("a mail goes over STARTTLS to all, signed in, with subject, id and reason", async () => {
  const server = await mailServer();
  const signIn = { user: "causeway", passwordFile: secretFile("right") };
  expect(await deliver(server, signIn)).toEqual({ kind: "delivered" });
  const [mail] = server.mails;
  expect(mail).toMatchObject({ secure: true, to: ["ann@plant.example", "bob@plant.example"] });
  expect(mail?.text).toContain(`Subject: ${titleOf(transition())}`);
  expect(mail?.text).toMatch(/^Message-ID: <[0-9a-f]{32}@plant\.example>/m);
  expect(mail?.text).toMatch(/^Auto-Submitted: auto-generated/m);
  expect(mail?.text).toContain("-3.5 Cel is above -15 Cel");
  expect(server.passwords).toEqual(["right"]);
});

test("a retry has the same message id", async () => {
  const server = await mailServer();
  await deliver(server, {});
  await deliver(server, {});
  const ids = server.mails.map(({ text }) => /^Message-ID: .*$/m.exec(text)?.[0]);
  expect(ids).toHaveLength(2);
  expect(ids[0]).toBe(ids[1]);
});

test("TLS from the first byte, and none at all, where the settings say so", async () => {
  const server = await mailServer({ secure: true });
  expect(await deliver(server, { security: "tls" })).toEqual({ kind: "delivered" });
  expect(server.mails).toMatchObject([{ secure: true }]);
  const plain = await mailServer({ disabledCommands: ["STARTTLS"] });
  const settings = { security: "none", tls: undefined };
  expect(await deliver(plain, settings)).toEqual({ kind: "delivered" });
  expect(plain.mails).toMatchObject([{ secure: false }]);
});

test("a server without STARTTLS gets neither mail nor password", async () => {
  const server = await mailServer({ disabledCommands: ["STARTTLS"] });
  const signIn = { user: "causeway", passwordFile: secretFile("right") };
  expect(await deliver(server, signIn)).toMatchObject({ kind: "retry" });
  expect(server.mails).toEqual([]);
  expect(server.passwords).toEqual([]);
});

test("a certificate that a stranger signed gets nothing", async () => {
  const server = await mailServer();
  const attempt = await deliver(server, { tls: { caFile: strangerFile } });
  expect(attempt).toMatchObject({ kind: "retry", reason: /certificate/ });
  expect(server.mails).toEqual([]);
});

test("5xx is refused for good, 4xx and a wrong password are tried again", async () => {
  const answering = (code: number) =>
    mailServer({ onMailFrom: (_address, _session, done) => done(new Refusal(code)) });
  expect(await deliver(await answering(550), {})).toMatchObject({ kind: "refused", reason: /550/ });
  expect(await deliver(await answering(451), {})).toMatchObject({ kind: "retry", reason: /451/ });
  const signIn = { user: "causeway", passwordFile: secretFile("wrong") };
  const attempt = await deliver(await mailServer(), signIn);
  expect(attempt).toMatchObject({ kind: "retry", reason: /535/ });
});

test("an address that is not accepted is told, and the others get their mail", async () => {
  const server = await mailServer({
    onRcptTo: ({ address }, _session, done) =>
      address.startsWith("bob") ? done(new Refusal(550)) : done(),
  });
  expect(await deliver(server, {})).toEqual({
    kind: "delivered",
    note: "not accepted: bob@plant.example",
  });
  expect(server.mails).toMatchObject([{ to: ["ann@plant.example"] }]);
});

test("a server that says nothing is cut off in time", async () => {
  const server = await mailServer({ onConnect: () => {} });
  expect(await deliver(server, { timeoutMs: 200 })).toEqual({
    kind: "retry",
    reason: "no answer within 200 ms",
  });
});
