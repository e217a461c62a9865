/** What fires, what did, and what is silenced; one alert beside the list where there is room. */
import { useState } from "preact/hooks";
import { AlertList } from "./alert-list.tsx";
import { AlertPanel } from "./alert-panel.tsx";
import type { Alert, Severity, Silence, Spoken } from "./api-types.ts";
import { countText } from "./format.ts";
import { send } from "./http-api.ts";
import { may, useFleet } from "./live.tsx";
import { Badge, Choice, Empty, FaultLine, Panel, Pending, Time, useAct } from "./parts.tsx";
import type { Route } from "./router.tsx";
import { replaceQuery } from "./router.tsx";
import { useData } from "./use-data.ts";

type Shown = "firing" | "resolved" | "silences";

interface AlertAnswer {
  readonly total: number;
  readonly counts: {
    readonly firing: number;
    readonly resolved: number;
    readonly bySeverity: Readonly<Record<Severity, number>>;
  };
  readonly alerts: readonly Alert[];
  readonly next: string | null;
}

const pollMs = 4_000;
const limit = 200;

export function AlertsPage({ id, route: { query } }: { id: string | undefined; route: Route }) {
  const shown = (query.get("show") ?? "firing") as Shown;
  return (
    <div class={id === undefined ? "" : "split"}>
      {id === undefined ? null : <AlertPanel key={id} id={id} />}
      <div class="list">
        <header class="head">{id === undefined ? <h1>Alerts</h1> : <h2>Alerts</h2>}</header>
        {shown === "silences" ? <Silences shown={shown} /> : <Alerts shown={shown} query={query} />}
      </div>
    </div>
  );
}

function Switch({ shown, answer }: { shown: Shown; answer?: AlertAnswer | undefined }) {
  const { spoken } = useFleet("spoken");
  const counts = answer?.counts;
  return (
    <Choice<Shown>
      label="What to show"
      value={shown}
      options={[
        ["firing", counts === undefined ? "Firing" : `Firing ${counts.firing}`],
        ["resolved", "Resolved"],
        ["silences", `Silences ${spoken.silences.length}`],
      ]}
      onChange={(value) => replaceQuery({ show: value === "firing" ? undefined : value })}
    />
  );
}

function Alerts({ shown, query }: { shown: "firing" | "resolved"; query: URLSearchParams }) {
  // What the stream tells makes the list be asked for again at once.
  const { version } = useAlertVersion();
  const severity = query.get("severity") ?? "";
  const asked = new URLSearchParams({ state: shown, limit: `${limit}` });
  for (const name of ["severity", "gateway", "rule"]) {
    const value = query.get(name);
    if (value !== null) asked.set(name, value);
  }
  const { answer, fault, reload } = useData<AlertAnswer>(`/api/alerts?${asked}`, pollMs, version);
  return (
    <>
      <div class="tools">
        <Switch shown={shown} answer={answer} />
        <Choice<string>
          label="Severity"
          value={severity}
          options={[
            ["", "Any"],
            ["critical", "Critical"],
            ["warning", "Warning"],
            ["info", "Info"],
          ]}
          onChange={(value) => replaceQuery({ severity: value })}
        />
      </div>
      {answer === undefined ? (
        <Pending fault={fault} retry={reload} />
      ) : answer.alerts.length === 0 ? (
        <Empty icon="good">
          {shown === "firing" ? "No alert is firing." : "No alert has ended yet."}
        </Empty>
      ) : (
        <AlertList
          alerts={shown === "firing" ? gravestFirst(answer.alerts) : answer.alerts}
          search={query.size === 0 ? "" : `?${query}`}
        />
      )}
    </>
  );
}

const ranks: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

function gravestFirst(alerts: readonly Alert[]): readonly Alert[] {
  return alerts.toSorted((a, b) => ranks[a.severity] - ranks[b.severity]);
}

function useAlertVersion() {
  const fleet = useFleet("alerts", "spoken");
  return { version: fleet.alertVersion };
}

function Silences({ shown }: { shown: Shown }) {
  const { spoken } = useFleet("spoken");
  return (
    <>
      <div class="tools">
        <Switch shown={shown} />
      </div>
      {spoken.silences.length === 0 ? (
        <Empty icon="bell">
          Nothing is silenced. Open an alert to silence it, and what is like it, for a time.
        </Empty>
      ) : (
        <Panel title={countText(spoken.silences.length, "silence")}>
          <ul class="plain">
            {spoken.silences.map((silence) => (
              <SilenceLine key={silence.id} silence={silence} />
            ))}
          </ul>
        </Panel>
      )}
    </>
  );
}

export function matchersText(matchers: Silence["matchers"]): string {
  return Object.entries(matchers)
    .map(([label, patterns]) => `${label} ${patterns.join(" or ")}`)
    .join(", ");
}

function SilenceLine({ silence }: { silence: Spoken["silences"][number] }) {
  const { id, matchers, endsAt, recurring, author, comment, state } = silence;
  const { isBusy, fault, run } = useAct();
  const [isEnded, setEnded] = useState(false);
  return (
    <li class="silence">
      <Badge tone={state === "active" ? "off" : "wait"}>{state}</Badge>
      <span class="what">
        <strong>{matchersText(matchers)}</strong>
        <span class="text">{comment}</span>
        <small class="soft">
          by {author}, {endsAt === null ? "without an end" : "until "}
          {endsAt === null ? null : <Time at={endsAt} />}
          {recurring === undefined ? "" : `, at ${recurring.cron} (${recurring.zone})`}
        </small>
        <FaultLine fault={fault} />
      </span>
      {may("operate") ? (
        <button
          type="button"
          disabled={isBusy || isEnded}
          onClick={() =>
            void run(async () => {
              await send("DELETE", `/api/silences/${encodeURIComponent(id)}`);
              setEnded(true);
            })
          }
        >
          End it
        </button>
      ) : null}
    </li>
  );
}
