/** Commands by HTTP; what sends one asks for JSON, and for a page of this address, as all that changes something. */
import type { Clock } from "@causeway/shared/clock.ts";
import { isCommandId, newCommand } from "@causeway/shared/command/command.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import type { CommandState } from "../command/command-state.ts";
import { commandLine, commandStates } from "../command/command-state.ts";
import { guarded } from "./http-operations.ts";

/** Stream CMD. */
export interface ApiCommands {
  readonly store: {
    send(
      command: CommandState["command"],
      now: number,
    ): Promise<{ readonly kind: "sent" | "repeat"; readonly state: CommandState }>;
    /** Throws COMMAND_UNKNOWN. */
    get(id: string): Promise<CommandState>;
    list(
      filter: { readonly gateway?: string | undefined },
      changesMax: number,
    ): Promise<readonly CommandState[]>;
  };
  readonly newId: () => string;
}

interface CommandsApi {
  readonly commands: ApiCommands;
  readonly clock: Clock;
  readonly refuse: (reply: FastifyReply, status: number, detail?: string) => FastifyReply;
}

/** A payload of 64 KiB, escaped. */
const bodyLimit = 512 * 1_024;

const listQuery = z.object({
  gateway: z
    .string()
    .refine((text) => isGatewayId(text), "a gateway")
    .optional(),
  state: z.enum(commandStates).optional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

export function addCommands(app: FastifyInstance, parts: CommandsApi): void {
  const { commands, clock, refuse } = parts;
  const { store } = commands;
  app.get("/api/commands", async (request, reply) => {
    const query = listQuery.safeParse(request.query);
    if (!query.success) return refuse(reply, 400, query.error.issues[0]?.message);
    const { gateway, state, limit } = query.data;
    const now = clock.wallMs();
    const lines = (await store.list({ gateway }, limit)).map((each) => commandLine(each, now));
    return { commands: lines.filter((line) => state === undefined || line.state === state) };
  });
  app.get<{ Params: { id: string } }>("/api/commands/:id", async ({ params: { id } }, reply) => {
    if (!isCommandId(id)) return refuse(reply, 404);
    try {
      return commandLine(await store.get(id), clock.wallMs());
    } catch (failure) {
      const isUnknown = failure instanceof CodedError && failure.code === "COMMAND_UNKNOWN";
      if (isUnknown) return refuse(reply, 404, failure.message);
      throw failure;
    }
  });
  app.post("/api/commands", { bodyLimit }, (request, reply) =>
    guarded(request, reply, parts, async () => {
      const now = clock.wallMs();
      const command = newCommand(request.body, now, commands.newId());
      const { kind, state } = await store.send(command, now);
      return reply.code(kind === "sent" ? 201 : 200).send(commandLine(state, now));
    }),
  );
}
