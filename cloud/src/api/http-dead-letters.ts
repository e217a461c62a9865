/** What could not be used, by HTTP: in groups, each with its newest samples; tried anew, or given up. */
import type { GatewayId } from "@causeway/shared/names.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { z } from "zod";
import type { DeadLetter } from "../dead/dead-letter.ts";
import type {
  Chosen,
  DiscardOrder,
  RedriveOrder,
  RedriveOutcome,
  Trial,
} from "../dead/nats-dead-desk.ts";
import { routesIn } from "../dead/remap.ts";
import type { DeadGroup } from "../views/dead-table.ts";
import { deadKinds } from "../views/dead-table.ts";
import type { FleetView } from "../views/fleet-view.ts";
import { own, searchText } from "./http-fleet.ts";
import type { ApiApp, RequestViewer } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";
import { Refused } from "./problem.ts";
import {
  deadGroupSchema,
  deadGroupsSchema,
  discardedSchema,
  redrivenSchema,
  redriveTrialSchema,
} from "./schemas.ts";

/** The letters of gateways, which their engines keep. */
export interface ApiDeadLetters {
  letters(chosen: Chosen, limit: number): Promise<readonly DeadLetter[]>;
  trial(order: Chosen & Pick<RedriveOrder, "routes" | "limit">): Promise<readonly Trial[]>;
  redrive(order: RedriveOrder): Promise<RedriveOutcome>;
  discard(order: DiscardOrder): Promise<number>;
}

const samplesMax = 8;
const sampleCharactersMax = 5_464;
/** Of one request; whoever has more asks again. */
const lettersMax = 2_000;
const trialsMax = 50;
const bodyLimit = 1_200 * 1_024;

const listQuery = z.object({ kind: z.enum(deadKinds).optional(), gateway: searchText });
const idParams = z.object({ id: z.string().max(64) });
const redriveBody = z.strictObject({
  /** `routes:` as a gateway's configuration has them; none: as the cloud reads such messages itself. */
  mapping: z
    .string()
    .max(1_024 * 1_024)
    .optional(),
  limit: z.int().min(1).max(lettersMax).default(lettersMax),
  by: z.string().max(128).optional(),
});
const trialBody = redriveBody.pick({ mapping: true });
const discardBody = z.strictObject({
  reason: z.string().trim().min(1).max(512),
  limit: z.int().min(1).max(lettersMax).default(lettersMax),
  by: z.string().max(128).optional(),
});

export function addDeadLetters(
  app: ApiApp,
  view: FleetView,
  desk: ApiDeadLetters | undefined,
): void {
  app.get(
    "/api/dead-letters",
    { schema: { querystring: listQuery, response: { 200: deadGroupsSchema } }, config: own },
    (request) => {
      const { kind, gateway } = request.query;
      const viewer = viewerOf(request);
      const isWanted = (group: DeadGroup) =>
        (kind === undefined || group.kind === kind) &&
        (gateway === undefined || group.gateway === gateway) &&
        isSeen(viewer, group);
      const groups = view.deadGroups().filter(isWanted);
      return { groups: groups.map(({ samples: _samples, ...group }) => group) };
    },
  );

  app.get(
    "/api/dead-letters/:id",
    { schema: { params: idParams, response: { 200: deadGroupSchema } }, config: own },
    async (request) => {
      const group = groupOf(view, viewerOf(request), request.params.id);
      if (desk === undefined || group.gateway === null)
        return { ...group, samples: group.samples.toReversed() };
      const letters = await desk.letters(chosenOf(group), samplesMax);
      return { ...group, samples: letters.map(sampleOf) };
    },
  );
  if (desk !== undefined) addActs(app, view, desk);
}

function addActs(app: ApiApp, view: FleetView, desk: ApiDeadLetters): void {
  app.post(
    "/api/dead-letters/:id/trial",
    {
      bodyLimit,
      schema: { params: idParams, body: trialBody, response: { 200: redriveTrialSchema } },
      // It compiles what anyone writes.
      config: { scope: "operate", sites: "own" },
    },
    async (request) => {
      const group = groupOf(view, viewerOf(request), request.params.id);
      const routes = routesOf(request.body.mapping);
      const trials = await desk.trial({ ...chosenOf(group), routes, limit: trialsMax });
      return { trials: trials.map(trialShown) };
    },
  );

  app.post(
    "/api/dead-letters/:id/redrive",
    {
      bodyLimit,
      schema: { params: idParams, body: redriveBody, response: { 200: redrivenSchema } },
      config: { scope: "operate", sites: "own", act: "dlq.redrive" },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const group = groupOf(view, viewer, request.params.id);
      const { mapping, limit, by = viewer.name } = request.body;
      const order = { ...chosenOf(group), routes: routesOf(mapping), limit, by };
      const outcome = await desk.redrive({ ...order, mapping: mapping?.slice(0, 256) ?? "none" });
      const detail = `${outcome.redriven} of ${outcome.tried} redriven`;
      request.told = { on: `${group.gateway} ${group.reason} ${group.id}`, detail };
      return outcome;
    },
  );

  app.post(
    "/api/dead-letters/:id/discard",
    {
      bodyLimit,
      schema: { params: idParams, body: discardBody, response: { 200: discardedSchema } },
      config: { scope: "operate", sites: "own", act: "dlq.discard" },
    },
    async (request) => {
      const viewer = viewerOf(request);
      const group = groupOf(view, viewer, request.params.id);
      const { reason, limit, by = viewer.name } = request.body;
      request.told = { on: `${group.gateway} ${group.reason} ${group.id}`, detail: reason };
      const order = { ...chosenOf(group), reason, limit, by };
      return { discarded: await desk.discard(order) };
    },
  );
}

function groupOf(view: FleetView, viewer: RequestViewer, id: string): DeadGroup {
  const group = view.deadGroup(id);
  if (group === undefined || !isSeen(viewer, group))
    throw new Refused(404, "there is no such group");
  return group;
}

/** What receivers did not take is of all sites, and is sent again by nobody. */
function chosenOf({ id, gateway }: DeadGroup): Chosen & { readonly gateway: GatewayId } {
  if (gateway === null || !isGatewayId(gateway))
    throw new Refused(
      409,
      "notifications are not redriven: a receiver that takes them again is told",
    );
  return { gateway, group: id };
}

function routesOf(mapping: string | undefined) {
  return mapping === undefined || mapping.trim() === "" ? undefined : routesIn(mapping, "mapping");
}

function sampleOf(letter: DeadLetter) {
  const { id, receivedAt: at, device, topic, detail, bytes, payload } = letter;
  const head = payload.slice(0, sampleCharactersMax);
  return { id, at, device, topic, detail, bytes, payload: head };
}

function trialShown({ letter: { id }, becomes }: Trial) {
  if (becomes.kind === "refused") {
    const why = `${becomes.reason}: ${becomes.detail}`;
    return { id, becomes: becomes.kind, why, readings: [] };
  }
  if (becomes.kind === "discard")
    return { id, becomes: becomes.kind, why: becomes.why, readings: [] };
  const readings = becomes.events.flatMap((event) => {
    if (event.kind !== "reading") return [];
    return event.readings.map(({ metric, value, unit = null }) => {
      return { device: event.device ?? "", metric, value, unit };
    });
  });
  return { id, becomes: becomes.kind, why: "", readings };
}

/** What receivers did not take is of all sites. */
function isSeen({ sites, sees }: RequestViewer, { gateway }: DeadGroup): boolean {
  return gateway === null ? sites === null : sees(gateway);
}
