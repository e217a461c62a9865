/** What could not be used, by HTTP: in groups, each with its newest samples. */
import { z } from "zod";
import type { DeadGroup } from "../views/dead-table.ts";
import { deadKinds } from "../views/dead-table.ts";
import type { FleetView } from "../views/fleet-view.ts";
import { own, searchText } from "./http-fleet.ts";
import type { ApiApp, RequestViewer } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";
import { Refused } from "./problem.ts";
import { deadGroupSchema, deadGroupsSchema } from "./schemas.ts";

const listQuery = z.object({ kind: z.enum(deadKinds).optional(), gateway: searchText });
const idParams = z.object({ id: z.string().max(64) });

export function addDeadLetters(app: ApiApp, view: FleetView): void {
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
    (request) => {
      const group = view.deadGroup(request.params.id);
      if (group === undefined || !isSeen(viewerOf(request), group))
        throw new Refused(404, "there is no such group");
      return { ...group, samples: group.samples.toReversed() };
    },
  );
}

/** What receivers did not take is of all sites. */
function isSeen({ sites, sees }: RequestViewer, { gateway }: DeadGroup): boolean {
  return gateway === null ? sites === null : sees(gateway);
}
