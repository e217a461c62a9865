/** The registry by HTTP: devices and gateways, and what people say of them. */
import type { Clock } from "@causeway/shared/clock.ts";
import type {
  DeviceFacts,
  DevicePlace,
  FactsRequest,
} from "@causeway/shared/devices/device-facts.ts";
import { factsRequest } from "@causeway/shared/devices/device-facts.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { isDeviceId, isGatewayId } from "@causeway/shared/names.ts";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { deviceStates } from "../devices/device-state.ts";
import type { ViewSources } from "../devices/device-view.ts";
import { deviceDetails, deviceSorts, listDevices, listGateways } from "../devices/device-view.ts";
import type { ApiSources } from "./api-sources.ts";
import { firingAlerts } from "./api-sources.ts";
import { after, limitOf, own, searchText } from "./http-fleet.ts";
import type { ApiApp } from "./http-guard.ts";
import { viewerOf } from "./http-guard.ts";
import {
  deviceDetailsSchema,
  devicesSchema,
  factsSchema,
  registryGatewaysSchema,
} from "./schemas.ts";

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
  readonly sources: ApiSources;
  readonly clock: Clock;
}

export const devicesPageMax = 1_000;
const bodyLimit = 16 * 1_024;

const listQuery = z.object({
  ...{ gateway: searchText, site: searchText, family: searchText, tag: searchText, q: searchText },
  state: z.enum(deviceStates).optional(),
  sort: z.enum(deviceSorts).default("name"),
  order: z.enum(["asc", "desc"]).default("asc"),
  ...{ limit: limitOf(100, devicesPageMax), after },
});
const deviceParams = z.object({ gateway: z.string().max(128), device: z.string().max(1_024) });

/** As the path names it. */
const actOf = {
  rename: "renamed",
  replace: "replaced",
  retire: "retired",
  return: "returned",
  forget: "forgotten",
} as const;
const pathActs = ["rename", "replace", "retire", "return", "forget"] as const;
const gatewayActs = ["rename", "retire", "return", "forget"] as const;
/** What each act wants is checked with what is known of the device. */
const sayBody = z.strictObject({
  by: z.string().optional(),
  note: z.string().optional(),
  name: z.string().optional(),
  old: z.string().optional(),
});

export function addDevices(app: ApiApp, { devices, sources, clock }: DevicesApi): void {
  const unknown = (what: string) =>
    new CodedError("DEVICE_UNKNOWN", `${what.slice(0, 128)} is not in the registry`);

  app.get(
    "/api/devices",
    { schema: { querystring: listQuery, response: { 200: devicesSchema } }, config: own },
    (request) => {
      const { sees } = viewerOf(request);
      return listDevices(devices.sources(), { ...request.query, sees });
    },
  );

  app.get(
    "/api/devices/:gateway/:device",
    { schema: { params: deviceParams, response: { 200: deviceDetailsSchema } }, config: own },
    (request) => {
      const { gateway, device } = request.params;
      const viewer = viewerOf(request);
      const found = deviceDetails(devices.sources(), gateway, device);
      if (found === undefined || !viewer.sees(gateway)) throw unknown(`device ${device}`);
      const alerts = firingAlerts(sources, viewer, clock.wallMs());
      const isOwn = (alert: (typeof alerts)[number]) =>
        alert.gateway === gateway && [device, found.series].includes(alert.device);
      const latest = sources.view.seriesOf(gateway, found.series);
      return { ...found, latest, alerts: alerts.filter(isOwn) };
    },
  );

  app.get(
    "/api/registry/gateways",
    { schema: { response: { 200: registryGatewaysSchema } }, config: own },
    (request) => {
      const { sees } = viewerOf(request);
      return {
        gateways: listGateways(devices.sources()).filter(({ gateway }) => sees(gateway)),
      };
    },
  );

  const say = (request: FastifyRequest, place: DevicePlace, act: FactsRequest["act"]) => {
    const { registry } = devices.sources();
    const viewer = viewerOf(request);
    const isSeen = isGatewayId(place.gateway) && viewer.sees(place.gateway);
    const known = isSeen ? registry.gateways.get(place.gateway) : undefined;
    if (known === undefined) throw unknown(`gateway ${place.gateway}`);
    if (place.device !== "" && !(isDeviceId(place.device) && known.devices.has(place.device)))
      throw unknown(`device ${place.device}`);
    const body = request.body as z.infer<typeof sayBody>;
    const said = factsRequest({ ...body, by: body.by ?? viewer.name, act });
    request.told = { on: placeText(place), detail: said.note };
    return devices.store.say(place, said, clock.wallMs());
  };

  app.post(
    "/api/devices/:gateway/:device/:act",
    {
      bodyLimit,
      schema: {
        params: z.object({ ...deviceParams.shape, act: z.enum(pathActs) }),
        body: sayBody,
        response: { 200: factsSchema },
      },
      config: { scope: "operate", sites: "own", act: "device", invalid: "OPERATION_INVALID" },
    },
    (request) => {
      const { gateway, device, act } = request.params;
      return say(request, { gateway, device }, actOf[act]);
    },
  );

  app.post(
    "/api/gateways/:gateway/:act",
    {
      bodyLimit,
      schema: {
        params: z.object({ gateway: z.string().max(128), act: z.enum(gatewayActs) }),
        body: sayBody,
        response: { 200: factsSchema },
      },
      config: { scope: "operate", sites: "own", act: "gateway", invalid: "OPERATION_INVALID" },
    },
    (request) => {
      const { gateway, act } = request.params;
      return say(request, { gateway, device: "" }, actOf[act]);
    },
  );
}

function placeText({ gateway, device }: DevicePlace): string {
  return device === "" ? gateway : `${gateway}/${device}`;
}
