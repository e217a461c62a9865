/** What could not be read or told, in groups, with samples as they came. */
import { useState } from "preact/hooks";
import type { DeadDetails, DeadGroup, RedriveOutcome, RedriveTrial } from "./api-types.ts";
import { FormDialog, TextField } from "./form-dialog.tsx";
import { bytesText, countText, valueText, wholeText } from "./format.ts";
import { send } from "./http-api.ts";
import { Icon } from "./icons.tsx";
import { may, useFleet } from "./live.tsx";
import {
  Badge,
  Choice,
  Empty,
  FactList,
  FaultLine,
  Panel,
  Pending,
  Time,
  useAct,
} from "./parts.tsx";
import { link } from "./router.tsx";
import { useData } from "./use-data.ts";

const pollMs = 5_000;
type Kind = "" | DeadGroup["kind"];

const kindWords: Readonly<Record<DeadGroup["kind"], string>> = {
  quarantined: "message of a device, not readable",
  unreadable: "from a gateway, not readable here",
  failed: "event, not judged by rules",
  notification: "notification, given up",
};

export function DeadPage({ id }: { id: string | undefined }) {
  const [kind, setKind] = useState<Kind>("");
  const query = kind === "" ? "" : `?kind=${kind}`;
  const { answer, fault, reload } = useData<{ groups: readonly DeadGroup[] }>(
    `/api/dead-letters${query}`,
    pollMs,
  );
  return (
    <div class={id === undefined ? "" : "split"}>
      {id === undefined ? null : <Detail key={id} id={id} />}
      <div class="list">
        <header class="head">
          {id === undefined ? <h1>Dead letters</h1> : <h2>Dead letters</h2>}
          <Counts />
        </header>
        <div class="tools">
          <Choice<Kind>
            label="Which"
            value={kind}
            options={[
              ["", "All"],
              ["quarantined", "Not readable"],
              ["unreadable", "Not an event"],
              ["failed", "Not judged"],
              ["notification", "Not told"],
            ]}
            onChange={setKind}
          />
        </div>
        {answer === undefined ? (
          <Pending fault={fault} retry={reload} />
        ) : answer.groups.length === 0 ? (
          <Empty icon="good">
            Nothing is open: every message could be read, every notification was delivered.
          </Empty>
        ) : (
          <Groups groups={answer.groups} chosen={id} />
        )}
      </div>
    </div>
  );
}

function Counts() {
  const { counters } = useFleet("counters");
  if (counters === undefined) return null;
  return (
    <p class="soft">
      {countText(counters.quarantined, "message")} in quarantine,{" "}
      {countText(counters.dead, "dead letter")} since the journal begins
    </p>
  );
}

function Groups({ groups, chosen }: { groups: readonly DeadGroup[]; chosen: string | undefined }) {
  return (
    <ul class="alerts">
      {groups.map(
        ({ id, kind, gateway, receiver, reason, detail, topic, count, counted, lastAt }) => (
          <li key={id} class="alert warning">
            <a href={link("dead-letters", id)} aria-current={id === chosen ? "true" : undefined}>
              <Badge tone="warning">{wholeText(count + counted)}</Badge>
              <span class="what">
                <strong>{reason}</strong>
                <span class="text">{detail}</span>
                <small class="soft">
                  {kindWords[kind]}
                  {gateway === null ? "" : `, at ${gateway}`}
                  {topic === null ? "" : `, on ${topic}`}
                  {receiver === null ? "" : `, for ${receiver}`}
                </small>
              </span>
              <span class="when soft">
                <Time at={lastAt} />
              </span>
              <Icon name="right" />
            </a>
          </li>
        ),
      )}
    </ul>
  );
}

function Detail({ id }: { id: string }) {
  const path = `/api/dead-letters/${encodeURIComponent(id)}`;
  const [isGone, setGone] = useState(false);
  const { answer, fault, reload } = useData<DeadDetails>(isGone ? undefined : path, pollMs);
  const [done, setDone] = useState<string>();
  const told = (
    <p role="status" class="done">
      {done}
    </p>
  );
  if (answer === undefined)
    return (
      <article class="detail">
        <header class="head">
          <h1>Dead letters</h1>
        </header>
        {told}
        {done === undefined ? <Pending fault={fault} retry={reload} /> : null}
      </article>
    );
  const { kind, gateway, receiver, reason, detail, topic, counted, firstAt, lastAt } = answer;
  const { count, samples } = answer;
  const settled = (what: string, isAll: boolean) => {
    setDone(what);
    setGone(isAll);
    reload();
  };
  return (
    <article class="detail">
      <header class="head">
        <h1>{reason}</h1>
        <Badge tone="warning">{countText(count + counted, "time")}</Badge>
      </header>
      <p class="lead">{detail}</p>
      {told}
      <FactList
        facts={[
          ["What", kindWords[kind]],
          [
            "Gateway",
            gateway === null ? undefined : (
              <a key="gateway" href={link("gateways", gateway)}>
                {gateway}
              </a>
            ),
          ],
          ["Topic", topic],
          ["Receiver", receiver],
          ["Only counted", counted === 0 ? undefined : `${wholeText(counted)}, for want of room`],
          ["First", <Time key="first" at={firstAt} />],
          ["Last", <Time key="last" at={lastAt} />],
        ]}
      />
      {gateway === null || !may("operate") ? null : <Settle group={answer} onDone={settled} />}
      {samples.length === 0 ? null : (
        <Panel title="The newest of them">
          <ul class="plain samples">
            {samples.map((sample) => (
              <Sample key={sample.id} sample={sample} />
            ))}
          </ul>
        </Panel>
      )}
    </article>
  );
}

type Settled = (what: string, isAll: boolean) => void;

/** Redrives go in pieces, so that one sees how far they are. */
function Settle({ group, onDone }: { group: DeadGroup; onDone: Settled }) {
  const { id, kind, topic } = group;
  const [mapping, setMapping] = useState("");
  const [trials, setTrials] = useState<readonly RedriveTrial[]>();
  const [progress, setProgress] = useState("");
  const [isGivingUp, setGivingUp] = useState(false);
  const { isBusy, fault, run } = useAct();
  const path = `/api/dead-letters/${encodeURIComponent(id)}`;
  const body = mapping.trim() === "" ? {} : { mapping };
  const tryIt = () =>
    run(async () => {
      const answer = await send<{ trials: RedriveTrial[] }>("POST", `${path}/trial`, body);
      setTrials(answer.trials);
    });
  const redrive = () =>
    run(async () => {
      const sum = { redriven: 0, readings: 0 };
      for (;;) {
        const limit = 500;
        const one = await send<RedriveOutcome>("POST", `${path}/redrive`, { ...body, limit });
        sum.redriven += one.redriven;
        sum.readings += one.readings;
        setProgress(`${wholeText(sum.redriven)} redriven…`);
        if (one.redriven + one.discarded >= limit) continue;
        const left = Object.entries(one.refused).map(
          ([why, count]) => `${wholeText(count)} ${why}`,
        );
        const made = `${countText(sum.redriven, "message")} redriven, ${countText(sum.readings, "reading")}`;
        setProgress("");
        return left.length === 0
          ? onDone(made, true)
          : onDone(`${made}; open still: ${left.join(", ")}`, false);
      }
    });
  return (
    <Panel title={kind === "unreadable" ? "Settle" : "Try again"}>
      {kind === "quarantined" ? (
        <label>
          Mapping: routes as in edge.yaml
          <textarea
            rows={5}
            spellcheck={false}
            placeholder={`- topic: ${topic ?? ""}\n  mapping: { … }`}
            value={mapping}
            onInput={({ currentTarget: { value } }) => setMapping(value)}
          />
        </label>
      ) : null}
      {kind === "unreadable" ? (
        <p class="soft">There is nothing in it that a mapping could read.</p>
      ) : null}
      <FaultLine fault={fault} />
      <p class="acts">
        {kind === "unreadable" ? null : (
          <>
            <button type="button" disabled={isBusy} onClick={() => void tryIt()}>
              Try
            </button>
            <button type="button" class="primary" disabled={isBusy} onClick={() => void redrive()}>
              Redrive all
            </button>
          </>
        )}
        <button type="button" disabled={isBusy} onClick={() => setGivingUp(true)}>
          Discard all
        </button>
        <span role="status">{progress}</span>
      </p>
      {trials === undefined ? null : <Trials trials={trials} />}
      {isGivingUp ? (
        <Discard path={path} onClose={() => setGivingUp(false)} onDone={onDone} />
      ) : null}
    </Panel>
  );
}

function Trials({ trials }: { trials: readonly RedriveTrial[] }) {
  const stay = trials.filter(({ becomes }) => becomes === "refused");
  return (
    <div role="status">
      <p>
        Of the newest {trials.length}: {trials.length - stay.length} would be settled, {stay.length}{" "}
        stay open. Nothing is changed yet.
      </p>
      <ul class="plain trials">
        {trials.slice(0, 8).map(({ id, why, readings }) => (
          <li key={id}>
            {readings.map(({ device, metric, value, unit }) => (
              <span key={`${device} ${metric}`}>
                <strong>{device}</strong> {metric} = {valueText(value)} {unit ?? ""}{" "}
              </span>
            ))}
            {why === "" ? null : <span class="text">{why}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Discard(props: { path: string; onClose: () => void; onDone: Settled }) {
  const { path, onClose, onDone } = props;
  const [reason, setReason] = useState("");
  const limit = 2_000;
  const give = async (by: string) => {
    let sum = 0;
    for (let one = limit; one >= limit; sum += one) {
      const answer = await send<{ discarded: number }>("POST", `${path}/discard`, {
        reason,
        by,
        limit,
      });
      one = answer.discarded;
    }
    onDone(`${countText(sum, "message")} discarded`, true);
  };
  return (
    <FormDialog
      title="Discard all of them"
      act="Discard"
      isDanger
      {...{ onClose, send: give }}
      onDone={onClose}
    >
      <p class="soft">They are not open any more; a line of each stays for 30 days.</p>
      <TextField label="Reason" isRequired most={512} value={reason} onChange={setReason} />
    </FormDialog>
  );
}

function Sample({ sample }: { sample: DeadDetails["samples"][number] }) {
  const { at, device, topic, detail, bytes, payload } = sample;
  const [isHex, setHex] = useState(false);
  const content = bytesOf(payload);
  return (
    <li>
      <p>
        <Time at={at} /> {device === null ? null : <strong>{device}</strong>}{" "}
        {topic === null ? null : <code>{topic}</code>} <span class="soft">{bytesText(bytes)}</span>
      </p>
      <p class="text">{detail}</p>
      <div class="tools">
        <button type="button" aria-pressed={isHex} onClick={() => setHex(!isHex)}>
          {isHex ? "As text" : "As bytes"}
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre tabIndex={0}>
        {isHex ? hexText(content) : new TextDecoder().decode(content)}
        {content.length < bytes ? "\n…" : ""}
      </pre>
    </li>
  );
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** 16 bytes a line, with what can be read of them. */
export function hexText(content: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < content.length; at += 16) {
    const row = [...content.slice(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(48)} ${text.join("")}`);
  }
  return lines.join("\n");
}
