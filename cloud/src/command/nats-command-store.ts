/**
 * Stream CMD: commands for their gateways, and the state of each. A command and its first state are
 * stored in one atomic batch, both under the expectation that there is none of its id, so that one
 * sent again has no second effect.
 */
import type { KeyObject } from "node:crypto";
import type { Command } from "@causeway/shared/command/command.ts";
import { encodeCommand, encodeSigned, isSameCommand } from "@causeway/shared/command/command.ts";
import { signCommand } from "@causeway/shared/command/command-signature.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { ReplyEvent } from "@causeway/shared/event.ts";
import { commandsWaitingMax } from "@causeway/shared/streams.ts";
import { commandStream, subjects } from "@causeway/shared/subjects.ts";
import type { ConsumerInfo, JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { AckPolicy, DeliverPolicy, JetStreamApiError } from "@nats-io/jetstream";
import type { EngineStore } from "../engine/engine-store.ts";
import { appendAfter } from "../nats-append.ts";
import type { CommandState } from "./command-state.ts";
import {
  decodeCommandState,
  encodeCommandState,
  folded,
  isFinal,
  issued,
  ttlSeconds,
} from "./command-state.ts";

/** `repeat`: it was sent before, and this changed nothing. */
export interface Sent {
  readonly kind: "sent" | "repeat";
  readonly state: CommandState;
}

export interface CommandFilter {
  readonly gateway?: string | undefined;
}

interface StoredState {
  readonly state: CommandState;
  readonly sequence: number;
}

/** The server's error code. */
const consumerNotFound = 10_014;
const nanosecondsPerMs = 1_000_000;
/** Looked through for a list over all gateways. */
const changesMax = 10_000;
/** What a gateway has fetched and not acknowledged by then comes again. */
const ackWaitMs = 30_000;

export class NatsCommandStore {
  readonly #jetstream: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #batches: Pick<EngineStore, "commit">;
  readonly #signingKey: KeyObject | undefined;

  constructor(
    jetstream: JetStreamClient,
    manager: JetStreamManager,
    batches: Pick<EngineStore, "commit">,
    signingKey: KeyObject | undefined,
  ) {
    this.#jetstream = jetstream;
    this.#manager = manager;
    this.#batches = batches;
    this.#signingKey = signingKey;
  }

  /** Throws COMMANDS_FULL, COMMAND_TAKEN, STREAM_FULL, or NATS_UNREACHABLE where nobody answers. */
  async send(command: Command, now: number): Promise<Sent> {
    const { gateway, id, expiresAt } = command;
    const waiting = await this.#waiting(gateway);
    if (waiting >= commandsWaitingMax) {
      const known = await this.#find(gateway, id);
      if (known !== undefined) return repeated(known.state, command);
      throw new CodedError("COMMANDS_FULL", `gateway ${gateway} has ${waiting} commands waiting`);
    }
    const body = encodeCommand(command);
    const signature = this.#signingKey && signCommand(body, this.#signingKey);
    const state = issued(command);
    const outcome = await this.#batches.commit([
      {
        subject: subjects.commandState(gateway, id),
        data: encodeCommandState(state),
        rollup: false,
        ttlSeconds: ttlSeconds(command, now),
        expectedLast: 0,
      },
      {
        subject: subjects.command(gateway, id),
        data: encodeSigned({ body, signature }),
        rollup: false,
        ttlSeconds: Math.max(1, Math.ceil((expiresAt - now) / 1_000)),
        expectedLast: 0,
      },
    ]);
    if (outcome.kind === "committed") return { kind: "sent", state };
    if (outcome.kind === "full") throw new CodedError("STREAM_FULL", `CMD: ${outcome.reason}`);
    // It was sent before, another was quicker, or the answer was lost.
    const found = await this.#find(gateway, id);
    if (found !== undefined) return repeated(found.state, command);
    throw new CodedError("NATS_UNREACHABLE", `command ${id} was not stored: ${outcome.reason}`);
  }

  /** Makes the gateway's consumer, or finds it. */
  ensureConsumer(gateway: string): Promise<ConsumerInfo> {
    return this.#manager.consumers.add(commandStream, {
      durable_name: gateway,
      filter_subject: subjects.commands(gateway),
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWaitMs * nanosecondsPerMs,
      deliver_policy: DeliverPolicy.All,
      max_ack_pending: 1_000,
      num_replicas: 1,
    });
  }

  /** How many consumers there are; a stream that was made anew has none. */
  async consumerCount(): Promise<number> {
    return (await this.#manager.streams.info(commandStream)).state.consumer_count;
  }

  /** Throws COMMAND_UNKNOWN. */
  async get(id: string): Promise<CommandState> {
    const found = await this.#find("*", id);
    if (found !== undefined) return found.state;
    throw new CodedError("COMMAND_UNKNOWN", `${id}: see causeway-cloud command list`);
  }

  /** Of all gateways together only the newest changes; the newest issued first. */
  async list({ gateway }: CommandFilter, countMax: number): Promise<CommandState[]> {
    const { last_seq: last } = (await this.#manager.streams.info(commandStream)).state;
    const lookBack = gateway === undefined ? Math.max(2 * countMax, changesMax) : last;
    const consumer = await this.#jetstream.consumers.get(commandStream, {
      filter_subjects: [subjects.commandState(gateway ?? "*", "*")],
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, last - lookBack + 1),
    });
    const states: CommandState[] = [];
    if ((await consumer.info()).num_pending === 0) return states;
    const messages = await consumer.consume();
    for await (const message of messages) {
      if (message.data.length > 0) states.push(decodeCommandState(message.string()));
      if (message.info.pending === 0) break;
    }
    messages.stop();
    states.sort((one, other) => other.command.issuedAt - one.command.issuedAt);
    return states.slice(0, countMax);
  }

  /** What a gateway tells of a command; the state as it is then, undefined where it is not known. */
  async fold(gateway: string, event: ReplyEvent, at: number): Promise<CommandState | undefined> {
    const id = event.command;
    for (;;) {
      const found = await this.#find(gateway, id);
      const next = found === undefined ? undefined : folded(found.state, event, at);
      if (found === undefined || next === undefined) return found?.state;
      const place = {
        stream: commandStream,
        subject: subjects.commandState(gateway, id),
        expectedLast: found.sequence,
      };
      const options = { ttl: `${ttlSeconds(next.command, at)}s` };
      const sequence = await appendAfter(this.#jetstream, place, encodeCommandState(next), options);
      if (sequence === undefined) continue;
      // It waits for nobody any more.
      if (isFinal(next)) {
        await this.#manager.streams.purge(commandStream, { filter: subjects.command(gateway, id) });
      }
      return next;
    }
  }

  async #find(gateway: string, id: string): Promise<StoredState | undefined> {
    const query = { last_by_subj: subjects.commandState(gateway, id) };
    const found = await this.#manager.streams.getMessage(commandStream, query);
    if (found === null || found.data.length === 0) return undefined;
    return { state: decodeCommandState(found.string()), sequence: found.seq };
  }

  /** Commands that the gateway has not fetched. */
  async #waiting(gateway: string): Promise<number> {
    try {
      return (await this.#manager.consumers.info(commandStream, gateway)).num_pending;
    } catch (failure) {
      if (!(failure instanceof JetStreamApiError) || failure.code !== consumerNotFound)
        throw failure;
      return (await this.ensureConsumer(gateway)).num_pending;
    }
  }
}

function repeated(state: CommandState, command: Command): Sent {
  const isSame = state.command.gateway === command.gateway && isSameCommand(state.command, command);
  if (isSame) return { kind: "repeat", state };
  throw new CodedError(
    "COMMAND_TAKEN",
    `${command.id}: it stands for ${state.command.name} to ${state.command.device}`,
  );
}
