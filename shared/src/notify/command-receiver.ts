/**
 * A receiver that sends a command to a device for each alert it is told of. The command's id follows
 * from the alert, its state and the receiver's name: told again, it is the same command.
 */
import { createHash } from "node:crypto";
import type { AlertTransition } from "../alert/alert.ts";
import { deploymentGateway } from "../alert/deployment-alert.ts";
import type { Clock } from "../clock.ts";
import type { Command } from "../command/command.ts";
import { newCommand } from "../command/command.ts";
import type { PayloadTemplate } from "../command/command-template.ts";
import { renderPayload } from "../command/command-template.ts";
import { CodedError, reasonOf } from "../errors.ts";
import { siteIn } from "../names.ts";
import { idempotencyKey } from "./message.ts";
import type { Notification } from "./notification.ts";
import { alertsOf } from "./notification-words.ts";
import type { Attempt, Receiver } from "./receiver.ts";

export type SendCommand = (command: Command, now: number) => Promise<unknown>;

export interface CommandReceiverOptions {
  readonly name: string;
  /** Default: that of the alert. */
  readonly gateway?: string | undefined;
  readonly device?: string | undefined;
  readonly command: string;
  readonly payload?: PayloadTemplate | undefined;
  readonly on: "firing" | "resolved" | "both";
  /** In ms, from when the alert became known. */
  readonly expires: number;
  readonly reply: boolean;
}

const idDigits = 32;

export class CommandReceiver implements Receiver {
  readonly name: string;
  readonly #options: CommandReceiverOptions;
  readonly #clock: Clock;
  readonly #send: SendCommand;

  constructor(options: CommandReceiverOptions, clock: Clock, send: SendCommand) {
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
    this.#send = send;
  }

  async deliver(notification: Notification): Promise<Attempt> {
    const { kind } = notification;
    if (kind === "test") return refused("a command is no message to test: causeway-cloud command");
    if (kind !== "alerts" && kind !== "digest") {
      return { kind: "delivered", note: `no command is sent for what is ${kind}` };
    }
    const notes: string[] = [];
    for (const alert of alertsOf(notification)) {
      const attempt = await this.#sendFor(alert);
      if (attempt.kind !== "delivered") return attempt;
      if (attempt.note !== undefined) notes.push(attempt.note);
    }
    const [note] = notes;
    return note === undefined ? { kind: "delivered" } : { kind: "delivered", note };
  }

  async #sendFor(alert: AlertTransition): Promise<Attempt> {
    const { name, on, payload, expires, reply, command } = this.#options;
    if (on !== "both" && on !== alert.state) return { kind: "delivered" };
    const gateway = this.#options.gateway ?? gatewayOf(alert);
    if (gateway === undefined) return refused("the alert names no gateway: set gateway");
    const device = this.#options.device ?? alert.device;
    if (device === "") return refused("the alert names no device: set device");
    const now = this.#clock.wallMs();
    // A notifier that was away must not let devices act on what was days ago.
    const expiresAt = (alert.knownAt ?? alert.at) + expires;
    if (expiresAt <= now) return { kind: "delivered", note: "too late: the command has expired" };
    try {
      const asked = {
        ...{ id: idOf(name, alert), gateway, device, name: command, reply, expiresAt },
        ...{ by: `receiver ${name}`, causationid: alert.id },
        ...(payload === undefined ? {} : { payload: renderPayload(payload, alert) }),
      };
      await this.#send(newCommand(asked, now, ""), now);
      return { kind: "delivered" };
    } catch (failure) {
      return afterFailure(failure);
    }
  }
}

function afterFailure(failure: unknown): Attempt {
  const code = failure instanceof CodedError ? failure.code : undefined;
  if (code === "COMMAND_INVALID") return refused(reasonOf(failure));
  // It was sent under other settings of this receiver.
  if (code === "COMMAND_TAKEN") return { kind: "delivered", note: "it was sent before" };
  return { kind: "retry", reason: reasonOf(failure) };
}

function refused(reason: string): Attempt {
  return { kind: "refused", reason };
}

function gatewayOf({ gateway }: AlertTransition): string | undefined {
  return gateway === deploymentGateway || siteIn(gateway) !== undefined ? undefined : gateway;
}

function idOf(receiver: string, alert: AlertTransition): string {
  const digest = createHash("sha256")
    .update(`${receiver}\n${idempotencyKey(alert)}`)
    .digest("hex");
  return `alert-${digest.slice(0, idDigits)}`;
}
