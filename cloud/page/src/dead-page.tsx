/** What could not be read or told, in groups, with samples as they came. */
import { useState } from "preact/hooks";
import type { DeadDetails, DeadGroup } from "./api-types.ts";
import { bytesText, countText, wholeText } from "./format.ts";
import { Icon } from "./icons.tsx";
import { useFleet } from "./live.tsx";
import { Badge, Choice, Empty, FactList, Panel, Pending, Time } from "./parts.tsx";
import { link } from "./router.tsx";
import { useData } from "./use-data.ts";

const pollMs = 5_000;
type Kind = "" | DeadGroup["kind"];

const kindWords: Readonly<Record<DeadGroup["kind"], string>> = {
  quarantined: "message of a device, not readable",
  unreadable: "event, not worked off",
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
              ["unreadable", "Not worked off"],
              ["notification", "Not told"],
            ]}
            onChange={setKind}
          />
        </div>
        {answer === undefined ? (
          <Pending fault={fault} retry={reload} />
        ) : answer.groups.length === 0 ? (
          <Empty icon="good">
            Nothing here: every message could be read, every notification was delivered.
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
      {groups.map(({ id, kind, gateway, receiver, reason, detail, count, lastAt }) => (
        <li key={id} class="alert warning">
          <a href={link("dead-letters", id)} aria-current={id === chosen ? "true" : undefined}>
            <Badge tone="warning">{wholeText(count)}</Badge>
            <span class="what">
              <strong>{reason}</strong>
              <span class="text">{detail}</span>
              <small class="soft">
                {kindWords[kind]}
                {gateway === null ? "" : `, at ${gateway}`}
                {receiver === null ? "" : `, for ${receiver}`}
              </small>
            </span>
            <span class="when soft">
              <Time at={lastAt} />
            </span>
            <Icon name="right" />
          </a>
        </li>
      ))}
    </ul>
  );
}

function Detail({ id }: { id: string }) {
  const path = `/api/dead-letters/${encodeURIComponent(id)}`;
  const { answer, fault, reload } = useData<DeadDetails>(path, pollMs);
  if (answer === undefined)
    return (
      <article class="detail">
        <header class="head">
          <h1>Dead letter</h1>
        </header>
        <Pending fault={fault} retry={reload} />
      </article>
    );
  const { kind, gateway, receiver, reason, detail, count, firstAt, lastAt, samples } = answer;
  return (
    <article class="detail">
      <header class="head">
        <h1>{reason}</h1>
        <Badge tone="warning">{countText(count, "time")}</Badge>
      </header>
      <p class="lead">{detail}</p>
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
          ["Receiver", receiver],
          ["First", <Time key="first" at={firstAt} />],
          ["Last", <Time key="last" at={lastAt} />],
        ]}
      />
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
