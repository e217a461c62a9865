/**
 * Tells a notification by e-mail. Each goes over a connection of its own, to a checked address;
 * `security: starttls` sends nothing, no password either, to a server that does not offer TLS.
 */
import type { Socket } from "node:net";
import { isIP } from "node:net";
import type { Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { AddressBlock } from "@causeway/shared/notify/egress.ts";
import type { Notification } from "@causeway/shared/notify/notification.ts";
import type { Wording } from "@causeway/shared/notify/notification-words.ts";
import type { Attempt, Receiver } from "@causeway/shared/notify/receiver.ts";
import { within } from "@causeway/shared/notify/receiver-deadline.ts";
import { dial } from "@causeway/shared/notify/system-egress.ts";
import { createTransport } from "nodemailer";
import type SMTPTransport from "nodemailer/lib/smtp-transport";
import type { Mail, MailAddresses } from "./mail-message.ts";
import { mailOf } from "./mail-message.ts";

export interface SmtpOptions extends MailAddresses {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly security: "starttls" | "tls" | "none";
  readonly signIn: { readonly user: string; readonly password: string } | undefined;
  /** PEM; undefined for the public authorities. */
  readonly authority: string | undefined;
  readonly timeoutMs: number;
  readonly allowed: readonly AddressBlock[];
  readonly wording: Wording;
}

export class SmtpReceiver implements Receiver {
  readonly name: string;
  readonly #options: SmtpOptions;
  readonly #clock: Clock;

  constructor(options: SmtpOptions, clock: Clock) {
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
  }

  async deliver(notification: Notification, signal: AbortSignal): Promise<Attempt> {
    try {
      const send = (ends: AbortSignal) => this.#send(notification, ends);
      return judgeSent(await within(this.#options.timeoutMs, this.#clock, signal, send));
    } catch (failure) {
      return judgeFailure(failure);
    }
  }

  async #send(notification: Notification, signal: AbortSignal) {
    const { host, port, allowed, wording } = this.#options;
    const mail = sendable(mailOf(notification, this.#options, wording));
    const socket = await dial({ host, port }, allowed, signal);
    const transport = transportOver(socket, this.#options);
    try {
      return await transport.sendMail(mail);
    } finally {
      transport.close();
      socket.destroy();
    }
  }
}

function transportOver(connection: Socket, options: SmtpOptions) {
  const { host, port, security, signIn, authority, timeoutMs } = options;
  const transport: SMTPTransport.Options = {
    connection,
    host,
    port,
    secure: security === "tls",
    requireTLS: security === "starttls",
    ignoreTLS: security === "none",
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    tls: {
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(authority === undefined ? {} : { ca: authority }),
    },
    ...(signIn === undefined ? {} : { auth: { user: signIn.user, pass: signIn.password } }),
    // Neither may a template make it read files or fetch what it names.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
  return createTransport(transport);
}

function sendable({ to, headers, ...mail }: Mail) {
  return { ...mail, to: [...to], headers: { ...headers } };
}

/** One address that takes it is enough; the others are told. */
function judgeSent({ rejected }: Pick<SMTPTransport.SentMessageInfo, "rejected">): Attempt {
  if (rejected.length === 0) return { kind: "delivered" };
  return { kind: "delivered", note: `not accepted: ${rejected.join(", ")}` };
}

/** What is wrong with envelope or message stays so; a sign-in or TLS can be set right. */
const ofMessage: readonly unknown[] = ["EENVELOPE", "EMESSAGE"];

/** 5xx is for good (RFC 5321 §4.2.1). */
function judgeFailure(failure: unknown): Attempt {
  const reason = reasonOf(failure).replaceAll(/\s+/g, " ");
  const status = statusOf(failure);
  const isForGood = status >= 500 && status < 600 && ofMessage.includes(codeOf(failure));
  return { kind: isForGood ? "refused" : "retry", reason };
}

function statusOf(failure: unknown): number {
  const known = failure instanceof Error && "responseCode" in failure;
  return known && typeof failure.responseCode === "number" ? failure.responseCode : 0;
}

function codeOf(failure: unknown): unknown {
  return failure instanceof Error && "code" in failure ? failure.code : undefined;
}
