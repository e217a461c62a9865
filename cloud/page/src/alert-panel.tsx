/** One alert: what is wrong, what was seen, what happened since, and what one can do about it. */
import { useState } from "preact/hooks";
import { AlertList, endOf } from "./alert-list.tsx";
import type { Alert, AlertDetails, Evidence, ShownReading } from "./api-types.ts";
import { EvidenceChart } from "./chart-panel.tsx";
import { durationText, preciseText, spotText, unitText, valueText } from "./format.ts";
import { send } from "./http-api.ts";
import { Icon } from "./icons.tsx";
import { currentSession, may, useFleet } from "./live.tsx";
import type { RowColumn } from "./parts.tsx";
import {
  Badge,
  Dialog,
  FactList,
  FaultLine,
  Panel,
  Pending,
  Rows,
  SeverityBadge,
  Time,
  useAct,
} from "./parts.tsx";
import { link } from "./router.tsx";
import { keep, kept } from "./system-browser.ts";
import { useData } from "./use-data.ts";

const pollMs = 5_000;

export function AlertPanel({ id }: { id: string }) {
  const version = useFleet("alerts", "spoken").alertVersion;
  const path = `/api/alerts/${encodeURIComponent(id)}`;
  const { answer, fault, reload } = useData<AlertDetails>(path, pollMs, version);
  if (answer === undefined)
    return (
      <article class="detail">
        <header class="head">
          <h1>Alert</h1>
        </header>
        <Pending fault={fault} retry={reload} />
      </article>
    );
  const { severity, reason, rule, gateway, device, evidence, timeline, before } = answer;
  return (
    <article class="detail">
      <header class="head">
        <h1>{spotText(answer)}</h1>
        <SeverityBadge severity={severity} />
        <StateBadge alert={answer} />
      </header>
      <p class="lead">{reason}</p>
      <Acts alert={answer} onDone={reload} />
      {evidence ? <EvidencePanel alert={answer} evidence={evidence} /> : null}
      <Panel title="Timeline">
        <ol class="timeline">
          {timeline.map(({ at, what, by, note, text }) => (
            <li key={`${at} ${what}`} class={what}>
              <Time at={at} /> <strong>{what}</strong>{" "}
              <span>{by === undefined ? text : `by ${by}`}</span>
              {note === undefined || note === "" ? null : <q>{note}</q>}
            </li>
          ))}
        </ol>
      </Panel>
      <Panel title="Where">
        <FactList
          facts={[
            [
              "Rule",
              <a key="rule" href={`${link("rules")}?rule=${encodeURIComponent(rule)}`}>
                {rule}
              </a>,
            ],
            [
              "Device",
              device === "" ? undefined : (
                <a key="device" href={link("devices", gateway, device)}>
                  {device}
                </a>
              ),
            ],
            ["Metric", answer.metric],
            [
              "Gateway",
              isPlain(gateway) ? (
                <a key="gateway" href={link("gateways", gateway)}>
                  {gateway}
                </a>
              ) : (
                gateway
              ),
            ],
            ["Known", knownText(answer)],
          ]}
        />
      </Panel>
      {before.length === 0 ? null : (
        <Panel title="It was so before">
          <AlertList alerts={before} />
        </Panel>
      )}
    </article>
  );
}

const isPlain = (gateway: string) => !/^[@_]/.test(gateway);

function knownText({ late, knownAt, firingAt }: Alert): string | undefined {
  if (!late) return undefined;
  return knownAt === undefined ? "late" : `${durationText(knownAt - firingAt)} after it happened`;
}

function StateBadge({ alert }: { alert: Alert }) {
  const { state, acknowledged, silencedBy } = alert;
  const end = endOf(alert);
  if (state === "resolved")
    return (
      <Badge tone="good">
        resolved{end === undefined ? "" : ` after ${durationText(end - alert.firingAt)}`}
      </Badge>
    );
  return (
    <>
      <Badge tone="warning">firing</Badge>
      {acknowledged === undefined ? null : <Badge tone="info">acknowledged</Badge>}
      {silencedBy === undefined ? null : <Badge tone="off">silenced</Badge>}
    </>
  );
}

const readingColumns = (alert: Alert): readonly RowColumn<ShownReading>[] => [
  { name: "When", cell: ({ at }) => <Time at={at} /> },
  {
    name: "Of",
    cell: ({ device = alert.device, metric = alert.metric }) =>
      [device, metric].filter(Boolean).join(" · "),
  },
  {
    name: "Value",
    isNumber: true,
    cell: ({ value, unit = alert.unit }) => `${valueText(value)} ${unitText(unit)}`,
  },
];

function EvidencePanel({ alert, evidence }: { alert: Alert; evidence: Evidence }) {
  const { readings, expected, score, worst } = evidence;
  const unit = unitText(alert.unit ?? readings[0]?.unit);
  const isCurve = readings.filter(({ value }) => typeof value === "number").length > 1;
  return (
    <Panel title="What was seen">
      {isCurve ? (
        <EvidenceChart readings={readings} expected={expected} unit={unit} worst={worst} />
      ) : null}
      <FactList
        facts={[
          ["Expected", expectedText(expected, unit)],
          ["How odd", score === undefined ? undefined : `${Math.round(score * 100)} of 100`],
          ["Worst", worst === undefined ? undefined : `${valueText(worst.value)} ${unit}`],
        ]}
      />
      <details>
        <summary>The readings</summary>
        <Rows
          columns={readingColumns(alert)}
          rows={readings}
          idOf={({ at, metric }) => `${at} ${metric}`}
        />
      </details>
    </Panel>
  );
}

function expectedText(expected: Evidence["expected"], unit: string): string | undefined {
  if (expected === undefined) return undefined;
  const { low, high } = expected;
  if (low === undefined)
    return high === undefined ? undefined : `up to ${preciseText(high)} ${unit}`;
  if (high === undefined) return `from ${preciseText(low)} ${unit}`;
  return `${preciseText(low)} to ${preciseText(high)} ${unit}`;
}

type Open = "acknowledge" | "silence" | undefined;

function Acts({ alert, onDone }: { alert: Alert; onDone: () => void }) {
  const [open, setOpen] = useState<Open>();
  if (!may("operate"))
    return <p class="soft">Your token may look, but not acknowledge or silence.</p>;
  const close = () => {
    setOpen(undefined);
    onDone();
  };
  const isFiring = alert.state === "firing";
  return (
    <p class="acts">
      {isFiring && alert.acknowledged === undefined ? (
        <button type="button" class="primary" onClick={() => setOpen("acknowledge")}>
          <Icon name="good" />
          Acknowledge
        </button>
      ) : null}
      <button type="button" onClick={() => setOpen("silence")}>
        <Icon name="bell" />
        Silence
      </button>
      {open === "acknowledge" ? <AckDialog alert={alert} onClose={close} /> : null}
      {open === "silence" ? <SilenceDialog alert={alert} onClose={close} /> : null}
    </p>
  );
}

/** A token has a name; on loopback anybody may be sitting there. */
function useWho() {
  const session = currentSession();
  const isNamed = session !== undefined && (session.how === "cookie" || session.how === "token");
  const [who, setWho] = useState(() => kept("who") ?? (isNamed ? session.name : ""));
  const remember = () => keep("who", who);
  return { who, setWho, remember };
}

function WhoField({ who, setWho }: Pick<ReturnType<typeof useWho>, "who" | "setWho">) {
  return (
    <label>
      Your name
      <input
        required
        maxLength={128}
        autocomplete="name"
        value={who}
        onInput={({ currentTarget: { value } }) => setWho(value)}
      />
    </label>
  );
}

function AckDialog({ alert, onClose }: { alert: Alert; onClose: () => void }) {
  const { who, setWho, remember } = useWho();
  const [note, setNote] = useState("");
  const { isBusy, fault, run } = useAct();
  const submit = async (event: Event) => {
    event.preventDefault();
    const path = `/api/alerts/${encodeURIComponent(alert.id)}/ack`;
    if (await run(() => send("POST", path, { by: who, note }))) {
      remember();
      onClose();
    }
  };
  return (
    <Dialog title={`Acknowledge: ${spotText(alert)}`} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <p class="soft">Nobody is reminded of it or called to it any more; its end is told.</p>
        <WhoField who={who} setWho={setWho} />
        <label>
          Note
          <input
            maxLength={1_000}
            placeholder="on my way"
            value={note}
            onInput={({ currentTarget: { value } }) => setNote(value)}
          />
        </label>
        <FaultLine fault={fault} />
        <p class="acts">
          <button type="submit" class="primary" disabled={isBusy}>
            Acknowledge
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}

const spans = ["30m", "2h", "8h", "1d", "7d"] as const;
const spanNames = {
  "30m": "30 minutes",
  "2h": "2 hours",
  "8h": "8 hours",
  "1d": "a day",
  "7d": "a week",
};

function SilenceDialog({ alert, onClose }: { alert: Alert; onClose: () => void }) {
  const { who, setWho, remember } = useWho();
  const [comment, setComment] = useState("");
  const [span, setSpan] = useState<(typeof spans)[number]>("2h");
  const labels = (["rule", "gateway", "device", "metric"] as const).filter(
    (label) => alert[label] !== "",
  );
  const [chosen, setChosen] = useState<readonly string[]>(labels);
  const { isBusy, fault, run } = useAct();
  const submit = async (event: Event) => {
    event.preventDefault();
    const matchers = Object.fromEntries(
      labels.filter((label) => chosen.includes(label)).map((label) => [label, [alert[label]]]),
    );
    const request = { matchers, for: span, author: who, comment };
    if (await run(() => send("POST", "/api/silences", request))) {
      remember();
      onClose();
    }
  };
  return (
    <Dialog title="Silence alerts like this" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <fieldset>
          <legend>That have the same</legend>
          {labels.map((label) => (
            <label key={label} class="check">
              <input
                type="checkbox"
                checked={chosen.includes(label)}
                onChange={({ currentTarget: { checked } }) =>
                  setChosen(
                    checked ? [...chosen, label] : chosen.filter((other) => other !== label),
                  )
                }
              />
              <span>
                {label} <code>{alert[label]}</code>
              </span>
            </label>
          ))}
        </fieldset>
        <label>
          For
          <select
            value={span}
            onChange={({ currentTarget: { value } }) =>
              setSpan(spans.find((known) => known === value) ?? "2h")
            }
          >
            {spans.map((known) => (
              <option key={known} value={known}>
                {spanNames[known]}
              </option>
            ))}
          </select>
        </label>
        <label>
          Why
          <input
            required
            maxLength={1_000}
            placeholder="the pump is serviced"
            value={comment}
            onInput={({ currentTarget: { value } }) => setComment(value)}
          />
        </label>
        <WhoField who={who} setWho={setWho} />
        <FaultLine fault={fault} />
        <p class="acts">
          <button type="submit" class="primary" disabled={isBusy || chosen.length === 0}>
            Silence
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </p>
      </form>
    </Dialog>
  );
}
