/**
 * Every coded error of Causeway. The code is contract and never changes its meaning; the message
 * is free to improve. A message names the thing, the value found and the cure.
 */
export const errorCodes = {
  ALERT_UNKNOWN: "there is no alert of this id",
  BATCH_MALFORMED: "a batch or block whose bytes do not follow the wire format",
  BATCH_TOO_LARGE: "a batch that would expand beyond its bound",
  BATCH_VERSION_UNKNOWN: "a batch of a major version this build does not know",
  BROKER_ADDRESS_IN_USE: "the MQTT port is taken by another process",
  BROKER_LISTEN_FAILED: "the MQTT listener could not be opened",
  CLI_USAGE: "a command line that cannot be understood",
  CLOCK_BEHIND: "no certificate is valid yet by this machine's clock, which is behind",
  CLOUD_UNREACHABLE: "no cloud answers at the address of its HTTP",
  COMMANDS_FULL: "too many commands wait for a gateway",
  COMMAND_INVALID: "a command that cannot be understood",
  COMMAND_TAKEN: "another command was sent under this id",
  COMMAND_UNKNOWN: "there is no command of this id",
  CONFIG_INVALID: "a setting that is unknown, missing or out of its bounds",
  CONFIG_UNREADABLE: "a configuration file that cannot be read or is not YAML",
  DATA_DIR_UNUSABLE: "the data folder cannot be created or written",
  DEAD_LETTERS_BUSY:
    "dead letters of a gateway are being redriven, and the engine has not taken it",
  DEAD_LETTER_UNKNOWN: "there is no open dead letter, or group of them, of this id",
  DEVICE_UNKNOWN: "there is no device, or gateway, of this name in the registry",
  ENGINE_FENCED: "another engine has taken the partitions over",
  ENGINE_ROLLED_BACK: "stream ENGINE no longer has what was committed last",
  GATEWAY_KEY_REFUSED: "a key that was revoked, or is another's, or not the gateway's own",
  GATEWAY_UNREACHABLE: "no gateway answers at the address of its status page",
  HISTORY_BUSY: "too many queries run at once",
  HISTORY_FENCED: "another process writes the history by now",
  HISTORY_LOCKED: "the history is open in another process",
  HISTORY_OPEN_FAILED: "the historian's database could not be opened or reached",
  HISTORY_QUERY_REFUSED:
    "a query that cannot be understood, or asks for more than is given at once",
  HISTORY_UNAVAILABLE: "this process has no history just now",
  HISTORY_VERSION_UNKNOWN: "a history written by a newer version",
  HTTP_ADDRESS_IN_USE: "the HTTP port is taken by another process",
  HTTP_LISTEN_FAILED: "the HTTP listener could not be opened",
  INTERNAL_INVARIANT: "a broken invariant: the process stops rather than go on wrongly",
  INPUT_UNREADABLE: "a recording or a list of lines that cannot be read",
  JOURNAL_ROLLED_BACK: "the journal no longer has a message that was read",
  MQTT_REFUSED: "a broker refused the credentials or the client",
  NAME_INVALID: "a gateway, device or metric name outside its alphabet or length",
  NATS_AUTH_FAILED: "nats-server refused the credentials",
  NATS_DENIED: "nats-server denies a subject to these credentials",
  NATS_HEADERS_REFUSED: "JetStream refuses headers that this gateway never sends",
  NATS_JETSTREAM_MISSING: "nats-server runs without JetStream or is too old",
  NATS_RELOAD_FAILED: "nats-server could not be told to read its configuration anew",
  NATS_NAME_UNKNOWN: "DNS does not tell the address of nats-server",
  NATS_TLS_FAILED: "no TLS connection to nats-server: a certificate, its name, or the protocol",
  NATS_UNREACHABLE: "no nats-server answers at the configured addresses",
  NATS_WEBSOCKET_REFUSED: "what answers at the address of nats-server opens no WebSocket there",
  OPERATION_INVALID: "a silence or an acknowledgement that cannot be understood",
  OUTBOX_CORRUPT: "bytes in the outbox that fail their checksum or layout",
  OUTBOX_FULL: "the outbox reached its bound; nothing more is acknowledged",
  OUTBOX_LOCKED: "the outbox is open in another process",
  OUTBOX_OPEN_FAILED: "the outbox could not be opened",
  OUTBOX_POISONED: "a write to the outbox failed; it is reopened under a new epoch",
  OUTBOX_VERSION_UNKNOWN: "an outbox written by a newer version",
  OUTPUT_UNWRITABLE: "a file for results that cannot be written",
  PROXY_AUTH_FAILED: "the HTTP proxy wants a login, or refused the one it was given",
  PROXY_REFUSED: "the HTTP proxy denies the way to nats-server",
  PROXY_UNREACHABLE: "the HTTP proxy cannot be found or does not answer",
  READER_NAME_UNKNOWN: "no reader is registered under this name",
  READER_RUNNING: "a reader that is to be retired still moves on",
  READER_TAKEN: "another process took a reader's place over, or it was retired",
  RECEIVER_FAILED: "a receiver did not take a notification",
  RULES_CHANGED: "the rules in bucket RULES were changed by someone else meanwhile",
  RULES_UNKNOWN: "there is no rule of this name, or no such revision of the rules",
  SECURITY_REFUSED: "a setting that would open the system to anyone",
  SILENCE_UNKNOWN: "there is no silence of this id",
  STREAM_FULL: "a stream has reached its bound and takes nothing more",
  STREAM_MISMATCH: "a JetStream stream exists with settings that break the promise",
} as const;

export type ErrorCode = keyof typeof errorCodes;

/** An expected failure with a stable code; the message reads `CODE: what, value found, cure`. */
export class CodedError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(`${code}: ${message}`, options);
    this.name = "CodedError";
    this.code = code;
  }
}

/** The text of anything that was thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` of a system or library error, where it has one. */
export function codeOf(thrown: unknown): string | undefined {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
