/** The fleet at a glance: whether all is well, what is wrong first, and that it is alive. */
import type { Overview, Trouble } from "./api-types.ts";
import { DemoPanel } from "./demo.tsx";
import { DeviceCards } from "./device-cards.tsx";
import { compactText, countText, roughText } from "./format.ts";
import { GatewayTable } from "./gateway-table.tsx";
import { Icon } from "./icons.tsx";
import { useFleet } from "./live.tsx";
import { Ago, Curve, Empty, Figure, Panel, Pending, SeverityBadge } from "./parts.tsx";
import { link } from "./router.tsx";
import { useData } from "./use-data.ts";

const pollMs = 3_000;
const troublesShown = 8;
const gatewaysShown = 10;

export function OverviewPage() {
  const { answer, fault, reload } = useData<Overview>("/api/overview", pollMs);
  return (
    <>
      {answer === undefined ? (
        <Pending fault={fault} retry={reload} />
      ) : (
        <>
          <Verdict overview={answer} />
          <Troubles troubles={answer.problems} />
        </>
      )}
      <DemoPanel />
      <Figures backlog={answer?.backlogEvents} />
      <Gateways />
      <Values total={answer?.devices?.total} />
    </>
  );
}

function Verdict({ overview }: { overview: Overview }) {
  const { verdict, isWell, problems } = overview;

  const gravest = problems[0]?.severity ?? "warning";
  const tone = isWell ? "good" : gravest;
  return (
    <div class={`verdict ${tone}`}>
      <Icon name={tone} />
      <h1 aria-live="polite">{verdict}</h1>
    </div>
  );
}

function Troubles({ troubles }: { troubles: readonly Trouble[] }) {
  if (troubles.length === 0) return null;
  const shown = troubles.slice(0, troublesShown);
  const beyond = troubles.length - shown.length;
  return (
    <Panel title="What is wrong">
      <ul class="troubles">
        {shown.map((trouble) => (
          <li key={`${trouble.kind} ${trouble.gateway} ${trouble.alert} ${trouble.text}`}>
            <a class={`trouble ${trouble.severity}`} href={placeOf(trouble)}>
              <SeverityBadge severity={trouble.severity} />
              <span class="text">
                {trouble.device === null ? null : <strong>{trouble.device} </strong>}
                {trouble.text}
              </span>
              {trouble.since === null ? null : (
                <span class="soft">
                  <Ago at={trouble.since} />
                </span>
              )}
              <Icon name="right" />
            </a>
          </li>
        ))}
      </ul>
      {beyond > 0 ? <p class="soft">and {countText(beyond, "more", "more")}</p> : null}
    </Panel>
  );
}

function placeOf({ kind, gateway, device, alert }: Trouble): string {
  if (alert !== null) return link("alerts", alert);
  if (kind === "dead-letters" || kind === "receiver") return link("dead-letters");
  if (kind === "rules-refused") return link("rules");
  if (gateway === null) return link();
  return device === null ? link("gateways", gateway) : link("devices", gateway, device);
}

function Figures({ backlog }: { backlog: number | undefined }) {
  const fleet = useFleet("counters");
  const { counters, rates } = fleet;
  if (counters === undefined) return null;
  const rate = rates.slice(-5).reduce((sum, each) => sum + each, 0) / Math.min(5, rates.length);
  const { readings, late, lost, quarantined, dead } = counters;
  const bad = (count: number, tone: "critical" | "warning") => (count > 0 ? { tone } : {});
  return (
    <section aria-labelledby="figures-title">
      <h2 id="figures-title" class="unseen">
        Figures
      </h2>
      <dl class="figures">
        <Figure
          name="Readings a second"
          value={rates.length === 0 ? "…" : roughText(rate)}
          hint="Of the last seconds"
        >
          <dd class="beneath">
            <Curve values={rates} />
          </dd>
        </Figure>
        <Figure
          name="Readings taken"
          value={compactText(readings)}
          hint="Since the journal begins, each once"
        />
        <Figure
          name="Waiting at gateways"
          value={backlog ?? "…"}
          hint="Events that gateways have on disk and the cloud has not taken yet"
        />
        <Figure
          name="Came late"
          value={late}
          hint="After newer ones, or long after they were made"
        />
        <Figure
          name="Lost"
          value={lost}
          {...bad(lost, "critical")}
          hint="Events that will never come, as gateways state them"
        />
        <Figure
          name="Quarantined"
          value={quarantined}
          {...bad(quarantined, "warning")}
          hint="Messages of devices that could not be read, kept as they came"
        />
        <Figure
          name="Dead letters"
          value={dead}
          {...bad(dead, "warning")}
          hint="Events that the cloud could not work off"
        />
      </dl>
    </section>
  );
}

function Gateways() {
  const fleet = useFleet("gateways", "counters");
  const total = fleet.counters?.gateways ?? fleet.gateways.length;
  return (
    <Panel
      title="Gateways"
      aside={
        total > gatewaysShown ? <a href={link("gateways")}>All {total.toLocaleString()}</a> : null
      }
    >
      {fleet.gateways.length === 0 ? (
        <Empty icon="gateway">
          No gateway has been heard yet. As soon as one connects, it appears here.
        </Empty>
      ) : (
        <GatewayTable gateways={gravestFirst(fleet.gateways).slice(0, gatewaysShown)} />
      )}
    </Panel>
  );
}

function gravestFirst(gateways: ReturnType<typeof useFleet>["gateways"]) {
  const weight = (gateway: (typeof gateways)[number]) =>
    (gateway.state === "silent" ? 4 : 0) +
    (gateway.alertsFiring > 0 ? 2 : 0) +
    (gateway.backlog?.trend === "growing" ? 1 : 0);
  return gateways.toSorted((a, b) => weight(b) - weight(a) || (a.gateway < b.gateway ? -1 : 1));
}

function Values({ total }: { total: number | undefined }) {
  return (
    <Panel
      title="Latest values"
      aside={
        <a href={link("devices")}>
          {total === undefined ? "All devices" : `All ${countText(total, "device")}`}
        </a>
      }
    >
      <DeviceCards />
    </Panel>
  );
}
