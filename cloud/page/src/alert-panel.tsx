/** One alert: what is wrong, what was seen, what happened since, and what one can do about it. */
import { patternOf } from "@causeway/shared/rules/selector.ts";
import { useState } from "preact/hooks";
import { AlertList, endOf } from "./alert-list.tsx";
import type { Alert, AlertDetails, Evidence, ShownReading } from "./api-types.ts";
import { EvidenceChart } from "./chart-panel.tsx";
import { FormDialog, TextField } from "./form-dialog.tsx";
import { durationText, preciseText, spotText, unitText, valueText } from "./format.ts";
import { send } from "./http-api.ts";
import { Icon } from "./icons.tsx";
import { may, useFleet } from "./live.tsx";
import type { RowColumn } from "./parts.tsx";
import { Badge, FactList, Panel, Pending, Rows, SeverityBadge, Time } from "./parts.tsx";
import { link } from "./router.tsx";
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
            <li key={`${at} ${what} ${text}`} class={what}>
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
  const asked = {
    alert,
    onClose: () => setOpen(undefined),
    onDone: () => {
      setOpen(undefined);
      onDone();
    },
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
      {open === "acknowledge" ? <AckDialog {...asked} /> : null}
      {open === "silence" ? <SilenceDialog {...asked} /> : null}
    </p>
  );
}

interface AskProps {
  alert: Alert;
  onClose: () => void;
  onDone: () => void;
}

function AckDialog({ alert, onClose, onDone }: AskProps) {
  const [note, setNote] = useState("");
  const path = `/api/alerts/${encodeURIComponent(alert.id)}/ack`;
  return (
    <FormDialog
      title={`Acknowledge: ${spotText(alert)}`}
      act="Acknowledge"
      {...{ onClose, onDone }}
      send={(by) => send("POST", path, { by, note })}
    >
      <p class="soft">Nobody is reminded of it or called to it any more; its end is told.</p>
      <TextField label="Note" hint="on my way" value={note} onChange={setNote} />
    </FormDialog>
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

function SilenceDialog({ alert, onClose, onDone }: AskProps) {
  const [comment, setComment] = useState("");
  const [span, setSpan] = useState<(typeof spans)[number]>("2h");
  const labels = (["rule", "gateway", "device", "metric"] as const).filter(
    (label) => alert[label] !== "",
  );
  const [chosen, setChosen] = useState<readonly string[]>(labels);
  const matchers = Object.fromEntries(
    labels
      .filter((label) => chosen.includes(label))
      .map((label) => [label, [patternOf(alert[label])]]),
  );
  return (
    <FormDialog
      title="Silence alerts like this"
      act="Silence"
      isReady={chosen.length > 0}
      {...{ onClose, onDone }}
      send={(author) => send("POST", "/api/silences", { matchers, for: span, author, comment })}
    >
      <fieldset>
        <legend>That have the same</legend>
        {labels.map((label) => (
          <label key={label} class="check">
            <input
              type="checkbox"
              checked={chosen.includes(label)}
              onChange={({ currentTarget: { checked } }) =>
                setChosen(checked ? [...chosen, label] : chosen.filter((other) => other !== label))
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
      <TextField
        label="Why"
        isRequired
        hint="the pump is serviced"
        value={comment}
        onChange={setComment}
      />
    </FormDialog>
  );
}
