/** Who is let in, by which way, and what it may do then. */
import { CodedError } from "@causeway/shared/errors.ts";
import { isLoopback } from "@causeway/shared/loopback.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { PasswordEntry, Passwords } from "./access.ts";
import { checkPassword } from "./access.ts";
import type { Acl, Grants } from "./acl.ts";
import type { BrokerNotice } from "./broker.ts";
import type { AuthSettings, ListenerSettings } from "./listener-settings.ts";
import { LoginThrottle } from "./throttle.ts";
import type { TlsPair } from "./tls-pair.ts";

/** What stands in the files; it may be another at any time. */
export interface Access {
  readonly passwords: Passwords | undefined;
  readonly acl: Acl | undefined;
  /** By the place of their listener. */
  readonly pairs: readonly (TlsPair | undefined)[];
}

/** What a listener asks for: a certificate that names the user, a password, or nothing. */
export type WayIn = "certificate" | "password" | "anyone";

/** Throws SECURITY_REFUSED where nobody could connect to a listener, or strangers could. */
export function wayIn({ host, tls }: ListenerSettings, auth: AuthSettings): WayIn {
  if (tls?.requireCertificate === true && auth.certificateIdentity !== undefined) {
    return "certificate";
  }
  if (auth.passwordFile !== undefined) return "password";
  if (!auth.anonymous) {
    const cure = "set mqtt.auth.passwordFile, or on loopback mqtt.auth.anonymous: true";
    throw new CodedError("SECURITY_REFUSED", `no device could connect: ${cure}`);
  }
  if (isLoopback(host)) return "anyone";
  const cure = "set mqtt.auth.passwordFile or certificateIdentity, or its host to 127.0.0.1";
  throw new CodedError("SECURITY_REFUSED", `mqtt listener ${host} would admit anyone: ${cure}`);
}

/** A client that asks to be let in. */
export interface Knock {
  readonly client: string;
  readonly name: string | undefined;
  readonly password: Buffer | undefined;
  readonly willTopic: string | undefined;
  /** With its port. */
  readonly address: string;
  readonly way: WayIn;
  /** Whom its certificate names, where one was asked for and is good. */
  readonly certificateUser: string | undefined;
  /** Whether it waits for the answer no more. */
  readonly isGone: () => boolean;
}

/** With what a client was let in. */
export interface Pass {
  readonly client: string;
  readonly user: string | undefined;
  readonly entry: PasswordEntry | undefined;
  /** Undefined allows all. */
  readonly grants: Grants | undefined;
}

/** MQTT 3.1.1 table 3.1: 3 is "unavailable", 5 "not authorised". */
export interface Refused {
  readonly returnCode: 3 | 5;
  readonly notice: BrokerNotice | undefined;
}

export class Admission {
  readonly #throttle = new LoginThrottle();
  readonly #now: () => number;
  #access: Access;
  #checking: Promise<unknown> = Promise.resolve();

  constructor(access: Access, now: () => number) {
    this.#access = access;
    this.#now = now;
  }

  set access(access: Access) {
    this.#access = access;
  }

  async admit(knock: Knock): Promise<Pass | Refused> {
    const known = await this.#authenticate(knock);
    if ("returnCode" in known) return known;
    const { client, willTopic } = knock;
    const grants = this.#grants(known.user, client);
    const who = whoIs(known.user, client, knock.address);
    if (grants?.mayConnect === false) {
      return denied("connect-denied", `${who} may not use this client id`);
    }
    // [MQTT-3.1.2-8]: once it is let in, its will has to be published.
    if (willTopic !== undefined && grants?.mayPublish(willTopic) === false) {
      return denied("publish-denied", `${who} may not have its will on ${shown(willTopic)}`);
    }
    return { ...known, client, grants };
  }

  /** The pass as the files of now make it; undefined where it holds no more. */
  renewed(pass: Pass): Pass | undefined {
    const { client, user, entry } = pass;
    const isGone = entry !== undefined && !isSame(entry, this.#passwords.get(user ?? ""));
    if (isGone) return undefined;
    const grants = this.#grants(user, client);
    return grants?.mayConnect === false ? undefined : { ...pass, grants };
  }

  get #passwords(): Passwords {
    return this.#access.passwords ?? nobody;
  }

  #grants(user: string | undefined, client: string): Grants | undefined {
    return this.#access.acl?.grants({ user, client });
  }

  async #authenticate(knock: Knock): Promise<Pick<Pass, "user" | "entry"> | Refused> {
    const { way, certificateUser } = knock;
    if (certificateUser !== undefined) return this.#byCertificate(knock, certificateUser);
    if (way === "certificate") {
      return failed(knock, "its certificate does not name one user");
    }
    if (way === "anyone") return { user: undefined, entry: undefined };
    return this.#byPassword(knock);
  }

  #byCertificate(knock: Knock, user: string): Pick<Pass, "user" | "entry"> | Refused {
    const isOther = knock.name !== undefined && knock.name !== user;
    if (isOther) return failed(knock, `its certificate names ${shown(user)}`);
    return { user, entry: undefined };
  }

  async #byPassword(knock: Knock): Promise<Pick<Pass, "user" | "entry"> | Refused> {
    const { name = "", password = Buffer.alloc(0), address } = knock;
    const ip = ipOf(address);
    // One at a time: hashing and the disk share libuv's few threads.
    const checked = this.#checking.then(async () => {
      // Where a thousand come at once, those who gave up must not make the others wait.
      if (knock.isGone()) return "gone";
      if (this.#throttle.isHeld(ip, name, this.#now())) return "held";
      const passwords = this.#passwords;
      const entry = passwords.get(name);
      const isRight = await checkPassword(passwords, name, password);
      // The file may have changed meanwhile.
      const isStill = entry !== undefined && isSame(entry, this.#passwords.get(name));
      return isRight && isStill ? entry : undefined;
    });
    this.#checking = checked.catch(() => {});
    const entry = await checked;
    if (entry === "gone") return { returnCode: 3, notice: undefined };
    if (entry === "held") {
      const detail = `user ${shown(name)} from ${address} was wrong too often and has to wait`;
      return { returnCode: 3, notice: { name: "login-throttled", detail } };
    }
    if (entry === undefined) {
      this.#throttle.failed(ip, name, this.#now());
      return failed(knock, "the password or the name is wrong");
    }
    this.#throttle.succeeded(ip, name);
    return { user: name, entry };
  }
}

const nobody: Passwords = new Map();

function isSame(entry: PasswordEntry, other: PasswordEntry | undefined): boolean {
  return other !== undefined && entry.hash.equals(other.hash) && entry.salt.equals(other.salt);
}

function failed({ name, address }: Knock, why: string): Refused {
  return denied("authentication-failed", `user ${shown(name ?? "")} from ${address}: ${why}`);
}

function denied(name: BrokerNotice["name"], detail: string): Refused {
  return { returnCode: 5, notice: { name, detail } };
}

/** What is told of a client that may not do what it tries. */
export function deniedNotice(
  name: "publish-denied" | "subscribe-denied",
  pass: Pass | undefined,
  address: string,
  topic: string,
): BrokerNotice {
  const what = name === "publish-denied" ? "publish on" : "subscribe to";
  const who = whoIs(pass?.user, pass?.client ?? "", address);
  return { name, detail: `${who} may not ${what} ${shown(topic)}` };
}

function whoIs(user: string | undefined, client: string, address: string): string {
  const named = user === undefined ? "" : `user ${shown(user)}, `;
  return `${named}client ${shown(client)} at ${address}`;
}

/** Of `ip:port`. */
export function ipOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}
