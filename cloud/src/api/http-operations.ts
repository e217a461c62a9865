/**
 * Silences and acknowledgements by HTTP. What changes something asks for JSON, and for an `Origin`
 * that is this address where a browser tells one: a stranger's page can send neither.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Acknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { isAlertId, newAcknowledgement } from "@causeway/shared/operate/acknowledgement.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import type { Operations } from "@causeway/shared/operate/operations.ts";
import type { Silence } from "@causeway/shared/operate/silence.ts";
import { newSilence, silenceState } from "@causeway/shared/operate/silence.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { standings } from "../operate/alert-standing.ts";
import type { FleetView } from "../views/fleet-view.ts";
import type { Spoken } from "./live-stream.ts";

export interface ApiOperations {
  readonly view: Operations;
  readonly store: OperationsWriter;
  readonly fleet: () => FleetDocument;
  readonly newId: () => string;
}

/** The buckets SILENCES and ACKS. */
export interface OperationsWriter {
  addSilence(silence: Silence): Promise<void>;
  /** Throws SILENCE_UNKNOWN. */
  endSilence(id: string, at: number): Promise<Silence>;
  acknowledge(alert: string, own: Acknowledgement): Promise<void>;
}

export interface OperationsApi {
  readonly view: FleetView;
  readonly operations: ApiOperations;
  readonly clock: Clock;
  readonly refuse: (reply: FastifyReply, status: number, detail?: string) => FastifyReply;
}

const bodyLimit = 64 * 1_024;
/** Ended ones are listed by the command line. */
const listedMax = 1_000;

export function spokenOf({ view }: ApiOperations, clock: Clock): Spoken {
  return {
    version: () => view.version,
    value: () => ({
      silences: listed(view, clock.wallMs()),
      acknowledgements: Object.fromEntries([...view.acknowledgements].slice(-listedMax)),
    }),
  };
}

function listed({ silences }: Operations, now: number) {
  const told = silences.map((silence) => ({ ...silence, state: silenceState(silence, now) }));
  return told.filter(({ state }) => state !== "ended").slice(0, listedMax);
}

export function addOperations(app: FastifyInstance, parts: OperationsApi): void {
  const { view, operations, clock, refuse } = parts;
  const { store } = operations;
  takeEmptyBodies(app);
  app.get("/api/alerts", () => {
    const { open, recent } = view.alerts();
    const circumstances = circumstancesOf(operations.view, operations.fleet());
    const standing = standings(open, circumstances, clock.wallMs());
    return { open: open.map((alert) => ({ ...alert, ...standing.get(alert.id) })), recent };
  });
  app.get("/api/silences", () => ({ silences: listed(operations.view, clock.wallMs()) }));
  app.post("/api/silences", { bodyLimit }, (request, reply) =>
    guarded(request, reply, parts, async () => {
      const silence = newSilence(request.body, clock.wallMs(), operations.newId());
      await store.addSilence(silence);
      return reply.code(201).send(silence);
    }),
  );
  app.delete<{ Params: { id: string } }>("/api/silences/:id", (request, reply) =>
    guarded(request, reply, parts, async () =>
      reply.send(await store.endSilence(request.params.id, clock.wallMs())),
    ),
  );
  app.post<{ Params: { id: string } }>("/api/alerts/:id/ack", { bodyLimit }, (request, reply) =>
    guarded(request, reply, parts, async () => {
      const { id } = request.params;
      const { open, recent } = view.alerts();
      if (!isAlertId(id) || ![...open, ...recent].some((alert) => alert.id === id))
        return refuse(reply, 404, `ALERT_UNKNOWN: there is no alert ${id.slice(0, 64)}`);
      const own = newAcknowledgement(request.body, clock.wallMs());
      await store.acknowledge(id, own);
      return reply.code(201).send({ id, ...own });
    }),
  );
}

/** Many clients name a type with every request, a DELETE without a body too. */
function takeEmptyBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  const options = { parseAs: "string" } as const;
  app.addContentTypeParser("application/json", options, (request, body, done) => {
    if (body === "") done(null, undefined);
    else void parse(request, String(body), done);
  });
}

export async function guarded(
  request: FastifyRequest,
  reply: FastifyReply,
  { refuse }: Pick<OperationsApi, "refuse">,
  act: () => Promise<FastifyReply>,
): Promise<FastifyReply> {
  if (!isSameOrigin(request)) return refuse(reply, 403, "asked for by a page of another origin");
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (request.method !== "DELETE" && type !== "application/json")
    return refuse(reply, 415, "send JSON as application/json");
  try {
    return await act();
  } catch (failure) {
    if (!(failure instanceof CodedError)) throw failure;
    const status = statuses[failure.code];
    if (status === undefined) throw failure;
    return refuse(reply, status, failure.message);
  }
}

const statuses: Readonly<Record<string, number>> = {
  ...{ OPERATION_INVALID: 400, SILENCE_UNKNOWN: 404 },
  ...{ COMMAND_INVALID: 400, COMMAND_TAKEN: 409, COMMANDS_FULL: 429 },
};

/** Programs send no `Origin`. */
function isSameOrigin({ headers }: FastifyRequest): boolean {
  const { origin, host } = headers;
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}
