/** Gateways as rows; as cards where there is no room for rows. */
import type { Gateway } from "./api-types.ts";
import { bytesText, durationText, wholeText } from "./format.ts";
import { Icon } from "./icons.tsx";
import type { RowColumn } from "./parts.tsx";
import { Ago, Badge, Rows } from "./parts.tsx";
import { link } from "./router.tsx";

const columns: readonly RowColumn<Gateway>[] = [
  {
    name: "Gateway",
    cell: ({ gateway, name, site }) => (
      <>
        <a href={link("gateways", gateway)}>{name === "" ? gateway : name}</a>
        {site === "" ? null : <small class="soft"> {site}</small>}
      </>
    ),
  },
  { name: "Link", cell: (gateway) => <LinkBadge gateway={gateway} /> },
  { name: "Heard", cell: ({ storedAt }) => <Ago at={storedAt} /> },
  { name: "Waiting", cell: (gateway) => <BacklogText gateway={gateway} /> },
  {
    name: "Devices",
    isNumber: true,
    cell: ({ devices }) => (devices === null ? "–" : wholeText(devices)),
  },
  { name: "Taken", isNumber: true, cell: ({ events }) => wholeText(events) },
  { name: "Lost", cell: (gateway) => <LostText gateway={gateway} /> },
  {
    name: "Alerts",
    cell: ({ alertsFiring }) =>
      alertsFiring > 0 ? (
        <Badge tone="warning">{wholeText(alertsFiring)} firing</Badge>
      ) : (
        <span class="soft">none</span>
      ),
  },
];

export function GatewayTable({ gateways }: { gateways: readonly Gateway[] }) {
  return <Rows columns={columns} rows={gateways} idOf={({ gateway }) => gateway} />;
}

export function LinkBadge({ gateway: { state } }: { gateway: Gateway }) {
  if (state === "silent") return <Badge tone="critical">silent</Badge>;
  if (state === "retired") return <Badge tone="off">retired</Badge>;
  return <Badge tone="good">connected</Badge>;
}

const trendIcons = { draining: "down", growing: "up" } as const;

export function BacklogText({ gateway: { backlog } }: { gateway: Gateway }) {
  if (backlog === null || backlog === undefined) return <span class="soft">not told yet</span>;
  const { events, bytes, etaMs, trend } = backlog;
  const icon = trend === "draining" || trend === "growing" ? trendIcons[trend] : undefined;
  return (
    <span title={`${bytesText(bytes)} on its disk, kept ones included`}>
      {wholeText(events)}
      {icon === undefined || events < 10 ? null : (
        <span class={`trend ${trend}`}>
          <Icon name={icon} />
          {etaMs === null ? trend : `${durationText(etaMs)} left`}
        </span>
      )}
    </span>
  );
}

/** What was made into averages is not gone. */
export function lostOf(losses: Gateway["losses"]): { lost: number; averaged: number } {
  const sum = { lost: 0, averaged: 0 };
  for (const { reason, events } of losses)
    sum[reason === "thinned" ? "averaged" : "lost"] += events;
  return sum;
}

function LostText({ gateway: { losses = [] } }: { gateway: Gateway }) {
  const { lost, averaged } = lostOf(losses);
  if (lost + averaged === 0) return <span class="soft">nothing</span>;
  const text = losses.map(({ reason, events }) => `${wholeText(events)} ${reason}`).join(", ");
  return (
    <span title={text}>
      {lost > 0 ? (
        <Badge tone="critical">{wholeText(lost)}</Badge>
      ) : (
        <Badge tone="info">{wholeText(averaged)} averaged</Badge>
      )}
    </span>
  );
}
