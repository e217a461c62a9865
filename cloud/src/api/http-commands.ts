/** Commands by HTTP. */
import type { Clock } from "@causeway/shared/clock.ts";
import { isCommandId, newCommand } from "@causeway/shared/command/command.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { z } from "zod";
import type { CommandState } from "../command/command-state.ts";
import { commandLine, commandStates } from "../command/command-state.ts";
import { limitOf, own } from "./http-fleet.ts";
import type { ApiApp } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";
import { commandSchema, commandsSchema } from "./schemas.ts";

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

/** A payload of 64 KiB, escaped. */
const bodyLimit = 512 * 1_024;

const listQuery = z.object({
  gateway: z
    .string()
    .refine((text) => isGatewayId(text), "a gateway")
    .optional(),
  state: z.enum(commandStates).optional(),
  limit: limitOf(100, 1_000),
});
/** As docs/commands.md tells; what it says is checked as a whole. */
const sendBody = z.looseObject({
  gateway: z.string(),
  device: z.string(),
  name: z.string(),
  id: z.string().optional(),
  payload: z.unknown().optional(),
  reply: z.boolean().optional(),
  expires: z.union([z.string(), z.number()]).optional(),
  expiresAt: z.union([z.string(), z.number()]).optional(),
  by: z.string().optional(),
});

export function addCommands(app: ApiApp, commands: ApiCommands, clock: Clock): void {
  const { store } = commands;
  const unknown = (id: string) => new CodedError("COMMAND_UNKNOWN", `there is no command ${id}`);

  app.get(
    "/api/commands",
    { schema: { querystring: listQuery, response: { 200: commandsSchema } }, config: own },
    async (request) => {
      const { gateway, state, limit } = request.query;
      const { sees } = viewerOf(request);
      const now = clock.wallMs();
      const lines = (await store.list({ gateway }, limit)).map((each) => commandLine(each, now));
      const isWanted = (line: (typeof lines)[number]) =>
        (state === undefined || line.state === state) && sees(line.gateway);
      return { commands: lines.filter(isWanted) };
    },
  );

  app.get(
    "/api/commands/:id",
    {
      schema: { params: z.object({ id: z.string().max(128) }), response: { 200: commandSchema } },
      config: own,
    },
    async (request) => {
      const { id } = request.params;
      if (!isCommandId(id)) throw unknown(id);
      const found = await store.get(id);
      if (!viewerOf(request).sees(found.command.gateway)) throw unknown(id);
      return commandLine(found, clock.wallMs());
    },
  );

  app.post(
    "/api/commands",
    {
      bodyLimit,
      schema: { body: sendBody, response: { 200: commandSchema, 201: commandSchema } },
      config: { scope: "operate", sites: "own", act: "command.send", invalid: "COMMAND_INVALID" },
    },
    async (request, reply) => {
      const viewer = viewerOf(request);
      const now = clock.wallMs();
      const asked = { by: viewer.name, ...request.body };
      const command = newCommand(asked, now, commands.newId());
      const { gateway, device, name, id } = command;
      request.told = { on: `${gateway}/${device} ${name} ${id}` };
      if (!viewer.sees(gateway))
        throw new CodedError("DEVICE_UNKNOWN", `gateway ${gateway} is not in the registry`);
      const { kind, state } = await store.send(command, now);
      return reply.code(kind === "sent" ? 201 : 200).send(commandLine(state, now));
    },
  );
}
