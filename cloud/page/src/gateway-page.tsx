/** One gateway: its link, what waits there, what was lost and why, its clock, and its ledger. */
import type { ComponentChildren } from "preact";
import { AlertList } from "./alert-list.tsx";
import type {
  AccessState,
  Gateway,
  GatewayDetails,
  Loss,
  Notice,
  QuotaShown,
} from "./api-types.ts";
import { bytesText, countText, durationText, roughText, wholeText } from "./format.ts";
import { BacklogText, LinkBadge, lostOf } from "./gateway-table.tsx";
import { Icon } from "./icons.tsx";
import { LedgerPanel } from "./ledger.tsx";
import type { RowColumn, Tone } from "./parts.tsx";
import { Ago, Badge, Curve, FactList, Panel, Pending, Rows, Time } from "./parts.tsx";
import { link } from "./router.tsx";
import { SayOf, saidText } from "./said.tsx";
import { useData } from "./use-data.ts";

const pollMs = 2_000;

export function GatewayPage({ gateway: id }: { gateway: string }) {
  const path = `/api/gateways/${encodeURIComponent(id)}`;
  const { answer, fault, reload } = useData<GatewayDetails>(path, pollMs);
  if (answer === undefined)
    return (
      <>
        <header class="head">
          <h1>{id}</h1>
        </header>
        <Pending fault={fault} retry={reload} />
      </>
    );
  const { name, notices, alerts, ledger } = answer;
  return (
    <>
      <header class="head">
        <h1>{name === "" ? id : name}</h1>
        {name === "" ? null : <code>{id}</code>}
        <LinkBadge gateway={answer} />
        <a class="button" href={`${link("devices")}?gateway=${encodeURIComponent(id)}`}>
          <Icon name="device" />
          {answer.devices === null ? "Its devices" : countText(answer.devices, "device")}
        </a>
      </header>
      <p class="lead">{sentence(answer)}</p>
      <div class="columns">
        <BacklogPanel gateway={answer} />
        <LossPanel losses={answer.losses} quarantined={answer.quarantined} dead={answer.dead} />
        <FactsPanel gateway={answer} onSaid={reload} />
      </div>
      <LedgerPanel ledger={ledger} waiting={answer.backlog?.events ?? 0} />
      {alerts.length === 0 ? null : (
        <Panel title="Alerts here">
          <AlertList alerts={alerts} />
        </Panel>
      )}
      {notices.length === 0 ? null : <Notices notices={notices} />}
    </>
  );
}

function sentence({ state, backlog, losses, storedAt }: GatewayDetails) {
  const { lost } = lostOf(losses);
  const lostText = lost === 0 ? "nothing was lost" : `${countText(lost, "event")} lost`;
  if (state === "retired") return "It was taken out of service.";
  if (state === "silent")
    return (
      <>
        Nothing was heard of it since <Time at={storedAt} />; what its devices send meanwhile waits
        on its disk. Up to then, {lostText}.
      </>
    );
  const waiting = backlog?.events ?? 0;
  if (waiting < 100) return `It is up to date; ${lostText}.`;
  const eta = backlog?.etaMs;
  const until = eta === null || eta === undefined ? "" : `, done in about ${durationText(eta)}`;
  return `${countText(waiting, "event")} are on their way${until}; ${lostText}.`;
}

function BacklogPanel({ gateway }: { gateway: GatewayDetails }) {
  const { backlog, recent, heartbeat } = gateway;
  const values = recent.map(([, events]) => events);
  return (
    <Panel title="Waiting at the gateway">
      <p class="big">
        <BacklogText gateway={gateway} />
      </p>
      {values.length < 2 ? null : (
        <>
          <Curve values={values} height={40} />
          <p class="soft">
            The last {countText(values.length, "heartbeat")}, at most{" "}
            {wholeText(Math.max(...values))} waiting
          </p>
        </>
      )}
      <FactList
        facts={[
          ["Outbox", backlog === null ? undefined : bytesText(backlog.bytes)],
          ["Told", backlog === null ? undefined : <Ago at={backlog.at} />],
          ["Taken last", heartbeat === null ? undefined : takenText(heartbeat.takenAgoMs)],
        ]}
      />
    </Panel>
  );
}

const takenText = (agoMs: number | null) =>
  agoMs === null ? "never yet" : agoMs < 1_000 ? "just now" : `${durationText(agoMs)} before that`;

/** As people say them; another reason is shown as it is. */
const reasonTexts: Readonly<Record<string, string>> = {
  "disk-full": "the disk was full",
  "not-kept": "no longer kept when asked for again",
  rollback: "the cloud went back to an older copy",
  corrupt: "found damaged on the disk",
  thinned: "made into averages for want of room",
};

const lossColumns: readonly RowColumn<Loss>[] = [
  { name: "Reason", cell: ({ reason }) => reasonTexts[reason] ?? reason },
  { name: "Events", isNumber: true, cell: ({ events }) => wholeText(events) },
  { name: "Last", cell: ({ lastAt }) => (lastAt === null ? "–" : <Time at={lastAt} />) },
];

function LossPanel(props: { losses: readonly Loss[]; quarantined: number; dead: number }) {
  const { losses, quarantined, dead } = props;
  return (
    <Panel title="Losses">
      {losses.length === 0 ? (
        <p class="big">
          <Badge tone="good">nothing lost</Badge>
        </p>
      ) : (
        <Rows columns={lossColumns} rows={losses} idOf={({ reason }) => reason} />
      )}
      <FactList
        facts={[
          ["Could not be read", quarantined === 0 ? "none" : wholeText(quarantined)],
          ["Dead letters", dead === 0 ? "none" : wholeText(dead)],
        ]}
      />
    </Panel>
  );
}

function FactsPanel({ gateway, onSaid }: { gateway: GatewayDetails; onSaid: () => void }) {
  const { clock, version, site, labels, epoch, firstSeen, events, readings, late } = gateway;
  return (
    <Panel title="Gateway">
      <FactList
        facts={[
          ["Heard", <Ago key="heard" at={gateway.storedAt} />],
          ["Clock", <ClockText key="clock" clock={clock} />],
          ["Version", version],
          ["Let in", gateway.access === null ? null : <AccessText access={gateway.access} />],
          ["Its own budget", budgetText(gateway)],
          ...quotaFacts(gateway.quota),
          ["Site", site],
          ...Object.entries(labels).map(([label, value]) => [label, value] as const),
          ["Taken", `${countText(events, "event")}, ${countText(readings, "reading")}`],
          ["Came late", wholeText(late)],
          ["Epoch", <code key="epoch">{epoch}</code>],
          ["First seen", firstSeen === null ? undefined : <Time key="first" at={firstSeen} />],
          ["Said", saidText(gateway.said)],
        ]}
      />
      <SayOf
        subject={{
          ...{ gateway: gateway.gateway, name: gateway.name },
          isRetired: gateway.state === "retired",
        }}
        onDone={onSaid}
        onGone={() => location.replace(link("gateways"))}
      />
    </Panel>
  );
}

const accessWords: Readonly<Record<Exclude<AccessState, "unlisted">, readonly [Tone, string]>> = {
  permitted: ["good", "by its own key"],
  revoked: ["critical", "no more"],
  "no-key": ["off", "not yet: it has no key"],
};

function AccessText({ access }: { access: NonNullable<GatewayDetails["access"]> }) {
  if (access.state === "unlisted") return <span class="soft">without a key of its own</span>;
  const [tone, words] = accessWords[access.state];
  return (
    <span title={saidText(access.said)}>
      <Badge tone={tone}>{words}</Badge>
    </span>
  );
}

function budgetText({ heartbeat }: GatewayDetails): string {
  const budget = heartbeat?.budget;
  if (budget === undefined) return "";
  return `${bytesText(budget.bytes)} of ${bytesText(budget.bytesMax)} sent today`;
}

/** What bounds it, and how much of that it has used. */
function quotaFacts(quota: QuotaShown | null): readonly (readonly [string, ComponentChildren])[] {
  if (quota === null) return [];
  const { eventsPerSecond, bytesPerDay, capBytesPerSecond, isOver, used } = quota;
  const now = used === null ? "" : `${roughText(used.perSecond)} of `;
  const today = used === null ? "" : `${bytesText(used.bytes)} of `;
  const cap = capBytesPerSecond === null ? "" : `${bytesText(capBytesPerSecond)} a second`;
  return [
    ["A second", eventsPerSecond === null ? "" : `${now}${wholeText(eventsPerSecond)} events`],
    ["Today", bytesPerDay === null ? "" : `${today}${bytesText(bytesPerDay)}`],
    [
      "Slowed down to",
      cap === "" ? "" : isOver ? <Badge tone="warning">{cap}, over its quota</Badge> : cap,
    ],
  ];
}

function ClockText({ clock: { state, text } }: { clock: Gateway["clock"] }) {
  if (state === "set") return <Badge tone="good">{text}</Badge>;
  if (state === "unknown") return <span class="soft">{text}</span>;
  return <Badge tone="warning">{text}</Badge>;
}

const noticeColumns: readonly RowColumn<Notice>[] = [
  { name: "What", cell: ({ name }) => name },
  { name: "When", cell: ({ at }) => <Time at={at} /> },
  { name: "Said", class: "text", cell: ({ detail }) => detail },
  { name: "Times", isNumber: true, cell: ({ count }) => wholeText(count) },
];

function Notices({ notices }: { notices: readonly Notice[] }) {
  return (
    <Panel title="What it said of itself">
      <Rows
        columns={noticeColumns}
        rows={notices}
        idOf={({ name, detail }) => `${name} ${detail}`}
      />
    </Panel>
  );
}
