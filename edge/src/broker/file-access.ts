/**
 * The files that say who may connect: passwords, ACL, and each listener's certificate and key. They
 * are read anew when their folder changes, every half a minute, and when told.
 *
 *   F1  A file that cannot be used is refused with a reason, once, and what was before stays.
 *   F2  Certificate, key and authority count together, the others each by itself.
 */
import type { FSWatcher } from "node:fs";
import { watch } from "node:fs";
import { dirname } from "node:path";
import { createSecureContext } from "node:tls";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { parsePasswords } from "./access.ts";
import { parseAcl } from "./acl.ts";
import type { Access } from "./admission.ts";
import { wayIn } from "./admission.ts";
import type { AccessSettings, TlsSettings } from "./listener-settings.ts";
import type { TlsPair } from "./tls-pair.ts";
import { dateFault, daysLeft, tlsPair } from "./tls-pair.ts";

/** Covers folders that cannot be watched, and network file systems. */
const pollMs = 30_000;
/** A certificate and its key are seldom written at one instant. */
const settleMs = 500;
const dateTellMs = 86_400_000;

type Settings = Pick<AccessSettings, "listeners" | "auth">;

/** Files that make one value. */
class Source<Value> {
  readonly files: readonly string[];
  readonly #parse: (texts: readonly string[]) => Value;
  #texts: readonly string[];
  #refused: string | undefined;
  value: Value;

  constructor(files: readonly string[], parse: (texts: readonly string[]) => Value) {
    this.files = files;
    this.#parse = parse;
    this.#texts = files.map(readSecret);
    this.value = parse(this.#texts);
  }

  get isRefused(): boolean {
    return this.#refused !== undefined;
  }

  /** Whether it is another value now. */
  refresh(refuse: (reason: string) => void): boolean {
    try {
      const texts = this.files.map(readSecret);
      if (texts.every((text, at) => text === this.#texts[at])) {
        this.#refused = undefined;
        return false;
      }
      this.value = this.#parse(texts);
      this.#texts = texts;
      this.#refused = undefined;
      return true;
    } catch (failure) {
      const reason = reasonOf(failure);
      // F1
      if (reason !== this.#refused) refuse(reason);
      this.#refused = reason;
      return false;
    }
  }
}

export interface FileAccessStatus {
  /** Sources of which what stands in the files now is not in force. */
  readonly refusedFiles: number;
  /** Of the certificate that ends first; undefined without any. */
  readonly certificateDaysLeft: number | undefined;
}

export class FileAccess {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #passwords: Source<Access["passwords"]> | undefined;
  readonly #acl: Source<Access["acl"]> | undefined;
  readonly #pairs: readonly (Source<TlsPair> | undefined)[];
  #watchers: FSWatcher[] = [];
  #changed: (access: Access) => void = () => {};
  #poll: Cancel | undefined;
  #settling: Cancel | undefined;
  #toldDatesAt: number | undefined;

  /** Throws CONFIG_INVALID, CONFIG_UNREADABLE or SECURITY_REFUSED. */
  constructor({ listeners, auth }: Settings, clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    for (const listener of listeners) wayIn(listener, auth);
    const { passwordFile, aclFile } = auth;
    this.#passwords = source(passwordFile, (text, file) => parsePasswords(text, file));
    this.#acl = source(aclFile, (text, file) => parseAcl(text, file));
    this.#pairs = listeners.map(({ tls }) => (tls === undefined ? undefined : pairSource(tls)));
  }

  get access(): Access {
    return {
      passwords: this.#passwords?.value,
      acl: this.#acl?.value,
      pairs: this.#pairs.map((pair) => pair?.value),
    };
  }

  status(): FileAccessStatus {
    const now = this.#clock.wallMs();
    const days = this.#certificates().map(({ value }) => daysLeft(value, now));
    return {
      refusedFiles: this.#sources().filter(({ isRefused }) => isRefused).length,
      certificateDaysLeft: days.length === 0 ? undefined : Math.min(...days),
    };
  }

  /** Certificates that are not valid now, or soon will not be. */
  dateFaults(): readonly string[] {
    return this.#certificates().flatMap(({ files, value }) => {
      const fault = dateFault(value, this.#clock.wallMs());
      return fault === undefined ? [] : [`${files[0]} ${fault}`];
    });
  }

  start(changed: (access: Access) => void): void {
    this.#changed = changed;
    // A reload may have come earlier.
    changed(this.access);
    this.#tellDates();
    const folders = new Set(this.#sources().flatMap(({ files }) => files.map(dirname)));
    for (const folder of folders) this.#watch(folder);
    this.#schedulePoll();
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
    this.#poll?.();
    this.#settling?.();
  }

  /** Reads all files anew. */
  reload(): void {
    const changed = this.#sources().filter((each) =>
      each.refresh((reason) =>
        this.#log.error({ files: each.files, reason }, "refused; what was in force before stays"),
      ),
    );
    if (changed.length === 0) return;
    const files = changed.flatMap((each) => each.files);
    this.#log.info({ files }, "read anew, and in force");
    if (changed.some((each) => this.#pairs.some((pair) => pair === each))) this.#tellDates();
    this.#changed(this.access);
  }

  #sources(): readonly Source<unknown>[] {
    const all = [this.#passwords, this.#acl, ...this.#pairs];
    return all.filter((each) => each !== undefined);
  }

  #certificates(): readonly Source<TlsPair>[] {
    return this.#pairs.filter((each) => each !== undefined);
  }

  #watch(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#settling ??= this.#clock.after(settleMs, () => {
          this.#settling = undefined;
          this.reload();
        });
      });
      watcher.on("error", () => watcher.close());
      this.#watchers.push(watcher);
    } catch (failure) {
      const everyMs = pollMs;
      this.#log.warn({ folder, everyMs, reason: reasonOf(failure) }, "folder is only polled");
    }
  }

  #schedulePoll(): void {
    this.#poll = this.#clock.after(pollMs, () => {
      this.reload();
      const isDue = this.#clock.bootMs() - (this.#toldDatesAt ?? 0) >= dateTellMs;
      if (isDue) this.#tellDates();
      this.#schedulePoll();
    });
  }

  #tellDates(): void {
    this.#toldDatesAt = this.#clock.bootMs();
    for (const fault of this.dateFaults()) this.#log.warn({ fault }, "listener's certificate");
  }
}

function source<Value>(
  file: string | undefined,
  parse: (text: string, file: string) => Value,
): Source<Value | undefined> | undefined {
  if (file === undefined) return undefined;
  return new Source<Value | undefined>([file], ([text = ""]) => parse(text, file));
}

function pairSource(tls: TlsSettings): Source<TlsPair> {
  const { certFile, keyFile, caFile } = tls;
  const files = [certFile, keyFile, ...(caFile === undefined ? [] : [caFile])];
  return new Source(files, ([cert = "", key = "", ca]) => {
    const pair = tlsPair({ cert, key, ca }, tls);
    try {
      // OpenSSL may find a key too weak that is well formed.
      createSecureContext(ca === undefined ? { cert, key } : { cert, key, ca });
    } catch (failure) {
      throw new CodedError("CONFIG_INVALID", `${certFile}: ${reasonOf(failure)}`);
    }
    return pair;
  });
}
