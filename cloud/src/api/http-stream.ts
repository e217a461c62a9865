/** The changes of the fleet as Server-Sent Events. */
import type { Clock } from "@causeway/shared/clock.ts";
import { placeFactsOf } from "@causeway/shared/rules/fleet.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { ApiSources } from "./api-sources.ts";
import { shownGateways } from "./api-sources.ts";
import { HttpClients } from "./http-clients.ts";
import { own, searchText } from "./http-fleet.ts";
import type { ApiApp, RequestViewer } from "./http-guard.ts";
import { securityHeaders, viewerOf } from "./http-guard.ts";
import type { JournalPlace, LiveFacts, Spoken, StreamFilter } from "./live-stream.ts";
import { LiveStream, noFilter, parseStreamId, streamKinds } from "./live-stream.ts";
import { Refused } from "./problem.ts";

/** Where the view stands in the journal. */
export interface ViewPlaces {
  /** Undefined before the first message. */
  place(): JournalPlace | undefined;
  /** Whether the journal still holds that very message. */
  holds(place: JournalPlace): Promise<boolean>;
}

export interface StreamApi {
  readonly sources: ApiSources;
  readonly facts: () => LiveFacts;
  readonly spoken: Spoken | undefined;
  readonly places: ViewPlaces | undefined;
  readonly clock: Clock;
}

const kinds = z
  .string()
  .max(128)
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(streamKinds)).min(1))
  .optional();
const streamQuery = z.object({
  ...{ site: searchText, gateway: searchText, device: searchText, tag: searchText, kinds },
  "last-event-id": z.string().max(256).optional(),
});
type StreamQuery = z.output<typeof streamQuery>;

/** The connections, to be told of and ended. */
export function addStream(app: ApiApp, parts: StreamApi): HttpClients {
  const { sources, facts, spoken, places, clock } = parts;
  const clients = new HttpClients(clock);
  const instance = clock.wallMs().toString(36);
  const streamSources = {
    ...{ view: sources.view, facts, spoken, instance },
    place: () => places?.place(),
    gateways: ({ wantsGateway }: StreamFilter, limit: number) =>
      shownGateways(sources, { sees: wantsGateway }, undefined, limit),
  };

  app.get(
    "/api/stream",
    { exposeHeadRoute: false, schema: { querystring: streamQuery }, config: own },
    async (request, reply) => {
      if (clients.isFull) {
        reply.header("retry-after", "30");
        throw new Refused(503, "too many open streams");
      }
      const { query } = request;
      const viewer = viewerOf(request);
      const id = parseStreamId(lastIdOf(request, query) ?? "");
      const isForeign = id?.place !== undefined && id.instance !== instance;
      const isKnown = isForeign && ((await places?.holds(id.place)) ?? false);
      const key = keyOf(query, viewer);
      const filter = key === "" ? noFilter : filterOf(sources, query, viewer);
      const { name, scope } = viewer;
      openStream(reply);
      clients.add({
        ...{ response: reply.raw, key, id, isKnown, more: { session: { name, scope } } },
        open: () => new LiveStream(streamSources, filter),
      });
      return reply;
    },
  );
  return clients;
}

function lastIdOf({ headers }: FastifyRequest, query: StreamQuery): string | undefined {
  const own = headers["last-event-id"];
  return typeof own === "string" ? own : query["last-event-id"];
}

function openStream(reply: FastifyReply): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    ...securityHeaders,
    "content-type": "text/event-stream; charset=utf-8",
    // Proxies must not gather what is meant to come at once.
    "x-accel-buffering": "no",
  });
}

/** "" for all there is. */
function keyOf(query: StreamQuery, { sites }: RequestViewer): string {
  const { site, gateway, device, tag, kinds } = query;
  const wanted = [site, gateway, device, tag, kinds, sites ?? undefined];
  return wanted.every((own) => own === undefined) ? "" : JSON.stringify(wanted);
}

function filterOf(
  { fleet }: ApiSources,
  { site, gateway, device, tag, kinds }: StreamQuery,
  { sites, sees }: RequestViewer,
): StreamFilter {
  return {
    kinds: new Set(kinds ?? streamKinds),
    isWhole: sites === null,
    wantsGateway: (own) =>
      (gateway === undefined || own === gateway) &&
      (site === undefined || own === `@${site}` || fleet().gateway(own).site === site) &&
      sees(own),
    wantsDevice: (place, own) =>
      (device === undefined || own === device) &&
      (tag === undefined || placeFactsOf(fleet(), place, own).tags.includes(tag)),
  };
}
