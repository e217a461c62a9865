/** The registry by HTTP: devices and gateways, and what people say of them. */
import type { Clock } from "@causeway/shared/clock.ts";
import type {
  DeviceFacts,
  DevicePlace,
  FactsRequest,
} from "@causeway/shared/devices/device-facts.ts";
import { factsRequest } from "@causeway/shared/devices/device-facts.ts";
import { isDeviceId, isGatewayId } from "@causeway/shared/names.ts";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { deviceStates } from "../devices/device-state.ts";
import type { ViewSources } from "../devices/device-view.ts";
import { deviceDetails, listDevices, listGateways } from "../devices/device-view.ts";
import { guarded } from "./http-operations.ts";

export interface ApiDevices {
  /** As they are now. */
  readonly sources: () => ViewSources;
  readonly store: FactsWriter;
}

/** Bucket DEVICES. */
export interface FactsWriter {
  /** Throws OPERATION_INVALID. */
  say(place: DevicePlace, request: FactsRequest, at: number): Promise<DeviceFacts>;
}

export interface DevicesApi {
  readonly devices: ApiDevices;
  readonly clock: Clock;
  readonly refuse: (reply: FastifyReply, status: number, detail?: string) => FastifyReply;
}

const bodyLimit = 16 * 1_024;
export const devicesPageMax = 1_000;

const listQuery = z.object({
  gateway: z.string().optional(),
  state: z.enum(deviceStates).optional(),
  limit: z.coerce.number().int().min(1).max(devicesPageMax).default(100),
  after: z.string().max(256).optional(),
});

/** As the path names it. */
const actOf: Readonly<Record<string, FactsRequest["act"]>> = {
  rename: "renamed",
  replace: "replaced",
  retire: "retired",
  return: "returned",
  forget: "forgotten",
};

interface PlaceParams {
  readonly gateway: string;
  readonly device: string;
  readonly act: string;
}

export function addDevices(app: FastifyInstance, parts: DevicesApi): void {
  const { devices, refuse } = parts;
  const unknown = (reply: FastifyReply, what: string) =>
    refuse(reply, 404, `DEVICE_UNKNOWN: ${what} is not in the registry`);
  app.get("/api/devices", (request, reply) => {
    const query = listQuery.safeParse(request.query);
    if (!query.success) {
      const [issue] = query.error.issues;
      return refuse(reply, 400, `${issue?.path.join(".")}: ${issue?.message}`);
    }
    return reply.send(listDevices(devices.sources(), query.data));
  });
  app.get<{ Params: PlaceParams }>("/api/devices/:gateway/:device", (request, reply) => {
    const { gateway, device } = request.params;
    const found = deviceDetails(devices.sources(), gateway, device);
    return found === undefined ? unknown(reply, `device ${device}`) : reply.send(found);
  });
  app.get("/api/registry/gateways", () => ({ gateways: listGateways(devices.sources()) }));
  const say = (request: FastifyRequest, reply: FastifyReply, place: DevicePlace, act: string) =>
    guarded(request, reply, parts, async () => {
      const known = Object.hasOwn(actOf, act) ? actOf[act] : undefined;
      if (known === undefined) return refuse(reply, 404);
      const { registry } = devices.sources();
      const own = isGatewayId(place.gateway) ? registry.gateways.get(place.gateway) : undefined;
      if (own === undefined) return unknown(reply, `gateway ${place.gateway}`);
      if (place.device !== "" && !(isDeviceId(place.device) && own.devices.has(place.device)))
        return unknown(reply, `device ${place.device}`);
      const body = typeof request.body === "object" ? request.body : undefined;
      const said = factsRequest({ ...body, act: known });
      return reply.send(await devices.store.say(place, said, parts.clock.wallMs()));
    });
  app.post<{ Params: PlaceParams }>(
    "/api/devices/:gateway/:device/:act",
    { bodyLimit },
    (request, reply) => say(request, reply, request.params, request.params.act),
  );
  app.post<{ Params: PlaceParams }>(
    "/api/gateways/:gateway/:act",
    { bodyLimit },
    (request, reply) => {
      const { gateway, act } = request.params;
      return say(request, reply, { gateway, device: "" }, act);
    },
  );
}
