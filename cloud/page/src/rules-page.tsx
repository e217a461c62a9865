/** The rules: which there are, and their text, which is checked and tried on the past before it is saved. */
import { useEffect, useRef, useState } from "preact/hooks";
import type {
  BacktestAlert,
  RuleFault,
  Rules,
  RulesBacktest,
  RulesCheck,
  RulesRevision,
} from "./api-types.ts";
import { countText, durationText, spotText } from "./format.ts";
import { Problem, problemText, send } from "./http-api.ts";
import { Icon } from "./icons.tsx";
import { may, serverNow } from "./live.tsx";
import type { RowColumn, Tone } from "./parts.tsx";
import {
  Badge,
  Choice,
  Empty,
  FaultLine,
  Panel,
  Pending,
  Rows,
  SeverityBadge,
  Time,
  useAct,
} from "./parts.tsx";
import { after } from "./system-browser.ts";
import { useData } from "./use-data.ts";

const pollMs = 5_000;
const typingMs = 600;

export function RulesPage() {
  const { answer, fault, reload } = useData<Rules>("/api/rules", pollMs);
  return (
    <>
      <header class="head">
        <h1>Rules</h1>
        {answer === undefined ? null : (
          <p class="soft">
            {countText(answer.rules.length, "rule")} from {answer.source}
          </p>
        )}
      </header>
      {answer === undefined ? (
        <Pending fault={fault} retry={reload} />
      ) : (
        <>
          {answer.refused.map(({ source, reason }) => (
            <p key={source} class="banner critical" role="alert">
              <Icon name="critical" />
              <span>
                The rules of {source} cannot be used: {reason}
              </span>
            </p>
          ))}
          <RuleTable rules={answer} onChanged={reload} />
          <Editor rules={answer} onSaved={reload} />
          <Revisions version={answer.revision} />
        </>
      )}
    </>
  );
}

const modeTones: Readonly<Record<Rules["rules"][number]["mode"], Tone>> = {
  live: "good",
  shadow: "info",
  off: "off",
};

function RuleTable({
  rules: { rules, isOwn },
  onChanged,
}: {
  rules: Rules;
  onChanged: () => void;
}) {
  const { isBusy, fault, run } = useAct();
  const setMode = (name: string, mode: string) =>
    void run(async () => {
      await send("POST", `/api/rules/${encodeURIComponent(name)}/mode`, { mode });
      onChanged();
    });
  const columns: readonly RowColumn<Rules["rules"][number]>[] = [
    { name: "Rule", cell: ({ name }) => name },
    {
      name: "Mode",
      cell: ({ name, mode }) =>
        isOwn && may("admin") ? (
          <select
            aria-label={`Mode of ${name}`}
            value={mode}
            disabled={isBusy}
            onChange={({ currentTarget: { value } }) => setMode(name, value)}
          >
            <option value="live">live: tells people</option>
            <option value="shadow">shadow: judges, tells nobody</option>
            <option value="off">off</option>
          </select>
        ) : (
          <Badge tone={modeTones[mode]}>{mode}</Badge>
        ),
    },
    { name: "Severity", cell: ({ severity }) => <SeverityBadge severity={severity} /> },
    { name: "One alert for each", cell: ({ by }) => by },
    { name: "In force", cell: ({ inForce }) => (inForce ? "yes" : "not yet") },
  ];
  if (rules.length === 0)
    return (
      <Empty icon="rule">There is no rule yet. Write one below; nothing is told until then.</Empty>
    );
  return (
    <>
      <Rows columns={columns} rows={rules} idOf={({ name }) => name} />
      <FaultLine fault={fault} />
    </>
  );
}

/** Checked a moment after the last key. */
function useCheck(text: string): { check: RulesCheck | undefined; fault: string | undefined } {
  const [found, setFound] = useState<{ text: string; check?: RulesCheck; fault?: string }>();
  useEffect(() => {
    const cancel = after(text === found?.text ? 0 : typingMs, () => {
      if (text === found?.text || !may("operate")) return;
      send<RulesCheck>("POST", "/api/rules/check", { text }).then(
        (check) => setFound({ text, check }),
        (failure) => setFound({ text, fault: problemText(failure) }),
      );
    });
    return cancel;
  }, [text, found?.text]);
  const isOwn = found?.text === text;
  return { check: isOwn ? found.check : undefined, fault: isOwn ? found.fault : undefined };
}

function Editor({ rules, onSaved }: { rules: Rules; onSaved: () => void }) {
  const [base, setBase] = useState({ text: rules.text, revision: rules.revision });
  const [text, setText] = useState(rules.text);
  const isChanged = text !== base.text;
  // Another's save is taken over where nothing of ours would be lost by it.
  useEffect(() => {
    // An answer from before our own save is none of another's.
    const isOld = rules.revision < base.revision;
    if (isChanged || isOld || rules.text === base.text) return;
    setBase({ text: rules.text, revision: rules.revision });
    setText(rules.text);
  }, [rules, base, isChanged]);
  const { check, fault } = useCheck(text);
  const area = useRef<HTMLTextAreaElement>(null);
  const isStale = rules.revision > base.revision;
  return (
    <Panel
      title={may("admin") ? "Edit" : "Text"}
      aside={
        isChanged ? (
          <button type="button" onClick={() => setText(base.text)}>
            Undo all changes
          </button>
        ) : null
      }
    >
      <label class="unseen" for="rules-text">
        The text of the rules, as YAML
      </label>
      <textarea
        id="rules-text"
        ref={area}
        spellcheck={false}
        autocomplete="off"
        aria-describedby="rules-check"
        rows={Math.min(28, Math.max(10, text.split("\n").length + 1))}
        value={text}
        readOnly={!may("admin")}
        onInput={({ currentTarget: { value } }) => setText(value)}
      />
      <div id="rules-check" aria-live="polite">
        {may("operate") ? (
          <CheckText check={check} fault={fault} onPlace={(at) => select(area.current, text, at)} />
        ) : null}
      </div>
      {isStale ? (
        <p class="banner warning">
          <Icon name="warning" />
          <span>
            The rules were changed meanwhile (revision {rules.revision}): undo your changes to see
            them, or save to be told where they stand in your way.
          </span>
        </p>
      ) : null}
      {isChanged && check !== undefined && check.changes.length > 0 ? (
        <Changes changes={check.changes} />
      ) : null}
      <Backtest text={text} isGood={check?.good === true} />
      {may("admin") ? (
        <Save
          text={text}
          revision={base.revision}
          isReady={isChanged && check?.good === true}
          onSaved={(revision) => {
            setBase({ text, revision });
            onSaved();
          }}
        />
      ) : (
        <p class="soft">Only a token with the scope admin may save rules.</p>
      )}
    </Panel>
  );
}

function select(area: HTMLTextAreaElement | null, text: string, fault: RuleFault): void {
  if (area === null || fault.line === null) return;
  const lines = text.split("\n");
  const start = lines.slice(0, fault.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[fault.line - 1]?.length ?? 0));
  const lineHeight = Number.parseFloat(getComputedStyle(area).lineHeight) || 20;
  area.scrollTop = Math.max(0, (fault.line - 4) * lineHeight);
}

function CheckText(props: {
  check: RulesCheck | undefined;
  fault: string | undefined;
  onPlace: (fault: RuleFault) => void;
}) {
  const { check, fault, onPlace } = props;
  if (fault !== undefined) return <FaultLine fault={fault} />;
  if (check === undefined) return <p class="soft">Checking…</p>;
  const { faults, failures, rules, examples } = check;
  if (check.good)
    return (
      <p>
        <Badge tone="good">good</Badge> {countText(rules, "rule")}
        {examples === 0 ? "" : `, ${countText(examples, "example")} as they say`}
      </p>
    );
  return (
    <ul class="faults">
      {[...faults, ...failures].map((each) => (
        <li key={`${each.line} ${each.path} ${each.message}`}>
          <Badge tone="critical">{failures.includes(each) ? "example" : "fault"}</Badge>
          {each.line === null ? null : (
            <button type="button" class="link" onClick={() => onPlace(each)}>
              line {each.line}
              {each.column === null ? "" : `:${each.column}`}
            </button>
          )}
          <span class="text">
            {each.path === "" ? "" : `${each.path}: `}
            {each.message}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Changes({ changes }: { changes: RulesCheck["changes"] }) {
  return (
    <details open>
      <summary>{countText(changes.length, "change")} against what is in force</summary>
      <ul class="plain">
        {changes.map(({ name, what, path, before, after: now }) => (
          <li key={`${name} ${path} ${what}`}>
            <strong>{name}</strong> {what} {path}
            {before === undefined || before === null ? "" : ` ${shown(before)} →`}
            {now === undefined || now === null ? "" : ` ${shown(now)}`}
          </li>
        ))}
      </ul>
    </details>
  );
}

const shown = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

const hour = 3_600_000;
const spans = { "1h": hour, "6h": 6 * hour, "1d": 24 * hour, "7d": 168 * hour } as const;
type SpanName = keyof typeof spans;

function Backtest({ text, isGood }: { text: string; isGood: boolean }) {
  const [span, setSpan] = useState<SpanName>("1h");
  const [found, setFound] = useState<{ text: string; result: RulesBacktest }>();
  const { isBusy, fault, run } = useAct();
  if (!may("operate")) return null;
  const act = async () => {
    const request = { text, from: serverNow() - spans[span] };
    const result = await send<RulesBacktest>("POST", "/api/rules/backtest", request);
    setFound({ text, result });
  };
  return (
    <div class="backtest">
      <div class="tools">
        <button type="button" disabled={!isGood || isBusy} onClick={() => void run(act)}>
          {isBusy ? "Trying…" : "Try on the past"}
        </button>
        <Choice<SpanName>
          label="How far back"
          value={span}
          options={(Object.keys(spans) as SpanName[]).map((name) => [name, name] as const)}
          onChange={setSpan}
        />
        <span class="soft">What these rules would have told, beside what was told</span>
      </div>
      <FaultLine fault={fault} />
      <div aria-live="polite">
        {found === undefined ? null : <Found result={found.result} isOld={found.text !== text} />}
      </div>
    </div>
  );
}

const foundWords: Readonly<Record<BacktestAlert["in"], string>> = {
  new: "new",
  old: "gone",
  both: "as before",
};
const foundTones: Readonly<Record<BacktestAlert["in"], Tone>> = {
  new: "warning",
  old: "off",
  both: "good",
};

const foundColumns: readonly RowColumn<BacktestAlert>[] = [
  { name: "Alert", cell: spotText },
  {
    name: "Would be",
    cell: (alert) => <Badge tone={foundTones[alert.in]}>{foundWords[alert.in]}</Badge>,
  },
  { name: "Rule", cell: ({ rule }) => rule },
  { name: "When", cell: ({ firingAt }) => <Time at={firingAt} /> },
  {
    name: "Lasts",
    cell: ({ firingAt, resolvedAt }) =>
      typeof resolvedAt === "number" ? durationText(resolvedAt - firingAt) : "open",
  },
  { name: "Why", class: "text", cell: ({ reason }) => reason },
];

function Found({ result, isOld }: { result: RulesBacktest; isOld: boolean }) {
  const { summary, alerts, omitted, from, to } = result;
  return (
    <>
      <p>
        From <Time at={from} /> to <Time at={to} />: <strong>{summary.new} new</strong>,{" "}
        {summary.old} gone, {summary.both} as before.
        {isOld ? <em> The text has changed since.</em> : null}
      </p>
      {alerts.length === 0 ? null : (
        <Rows
          columns={foundColumns}
          rows={alerts}
          idOf={(alert) => [alert.in, alert.rule, spotText(alert), alert.firingAt].join()}
        />
      )}
      {omitted > 0 ? <p class="soft">and {omitted} more</p> : null}
    </>
  );
}

function Save(props: {
  text: string;
  revision: number;
  isReady: boolean;
  onSaved: (revision: number) => void;
}) {
  const { text, revision, isReady, onSaved } = props;
  const [note, setNote] = useState("");
  const [saved, setSaved] = useState<number>();
  const { isBusy, fault, run } = useAct();
  const act = async () => {
    try {
      const answer = await send<{ revision: number }>(
        "PUT",
        "/api/rules",
        { text, note },
        { "if-match": `"${revision}"` },
      );
      setSaved(answer.revision);
      setNote("");
      onSaved(answer.revision);
    } catch (failure) {
      if (!(failure instanceof Problem) || failure.status !== 412) throw failure;
      throw new Error("The rules were changed by another meanwhile: look at theirs first.");
    }
  };
  return (
    <form
      class="tools save"
      onSubmit={(event) => {
        event.preventDefault();
        if (isReady) void run(act);
      }}
    >
      <input
        aria-label="Note on what was changed, and why"
        placeholder="What you changed, and why"
        maxLength={1_000}
        value={note}
        onInput={({ currentTarget: { value } }) => setNote(value)}
      />
      <button type="submit" class="primary" disabled={!isReady || isBusy}>
        Save the rules
      </button>
      <FaultLine fault={fault} />
      <p role="status" class="soft">
        {saved === undefined ? "" : `Saved as revision ${saved}; the cloud takes it at once.`}
      </p>
    </form>
  );
}

const revisionColumns: readonly RowColumn<RulesRevision>[] = [
  { name: "Revision", cell: ({ revision }) => revision },
  { name: "When", cell: ({ at }) => <Time at={at} /> },
  { name: "What", cell: ({ what }) => what },
  { name: "Note", class: "text", cell: ({ note }) => note },
];

function Revisions({ version }: { version: number }) {
  const { answer } = useData<{ revisions: readonly RulesRevision[] }>(
    "/api/rules/history",
    0,
    version,
  );
  if (answer === undefined || answer.revisions.length === 0) return null;
  return (
    <Panel title="Revisions">
      <Rows columns={revisionColumns} rows={answer.revisions} idOf={({ revision }) => revision} />
    </Panel>
  );
}
