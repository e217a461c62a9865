/** Small parts that every page is made of. */
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Severity } from "./api-types.ts";
import { agoText, timeText, utcText, wholeText } from "./format.ts";
import type { IconName } from "./icons.tsx";
import { Icon } from "./icons.tsx";
import { serverNow, useNow } from "./live.tsx";

/** Local time; in UTC for who points at it. */
export function Time({ at }: { at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={utcText(at)}>
      {timeText(at, serverNow())}
    </time>
  );
}

/** How long ago, kept up to date. */
export function Ago({ at }: { at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={`${timeText(at, now)}, ${utcText(at)}`}>
      {agoText(now - at)}
    </time>
  );
}

export type Tone = "good" | "critical" | "warning" | "info" | "off" | "wait";

export function Badge({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`badge ${tone}`}>
      <Icon name={tone} />
      {children}
    </span>
  );
}

export const SeverityBadge = ({ severity }: { severity: Severity }) => (
  <Badge tone={severity}>{severity}</Badge>
);

/** Beside the name of what an alert is about. */
export function AlertSign({ severity }: { severity: Severity | undefined }) {
  return severity === undefined ? null : (
    <span title={`An alert fires: ${severity}`}>
      <Icon name={severity} className={severity} />
      <span class="unseen">{severity} alert</span>{" "}
    </span>
  );
}

/** A curve without axes; what it says stands beside it in words. */
export function Curve({ values, height = 24 }: { values: readonly number[]; height?: number }) {
  return (
    <svg class="curve" viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <polyline points={pointsOf(values, height)} />
    </svg>
  );
}

export function pointsOf(values: readonly number[], height: number): string {
  if (values.length < 2) return "";
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const span = most - least;
  const inner = height - 3;
  const y = (value: number) =>
    span > 0 ? height - 1.5 - ((value - least) / span) * inner : height / 2;
  const step = 100 / (values.length - 1);
  return values.map((value, at) => `${(at * step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
}

export function Empty({ icon, children }: { icon: IconName; children: ComponentChildren }) {
  return (
    <div class="empty">
      <Icon name={icon} />
      <div>{children}</div>
    </div>
  );
}

/** Of what was asked for: a fault with a way to ask again, or that it is on its way. */
export function Pending({ fault, retry }: { fault: string | undefined; retry: () => void }) {
  if (fault === undefined) return <Loading />;
  return (
    <div class="fault" role="alert">
      <Icon name="critical" />
      <span>{fault}</span>
      <button type="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

/** Says so only where it takes long enough to be seen. */
function Loading() {
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}

export function Panel(props: {
  title: string;
  id?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  const own = useId();
  const id = props.id ?? own;
  return (
    <section class="panel" aria-labelledby={id}>
      <header>
        <h2 id={id}>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

export interface RowColumn<Row> {
  readonly name: string;
  readonly cell: (row: Row) => ComponentChildren;
  readonly isNumber?: boolean;
  readonly class?: string;
}

/** The first column names the row. Where there is no room each row becomes a card. */
export function Rows<Row>(props: {
  columns: readonly RowColumn<Row>[];
  rows: readonly Row[];
  idOf: (row: Row) => string | number;
  rowClass?: (row: Row) => string;
}) {
  const { columns, rows, idOf, rowClass } = props;
  const classOf = (column: RowColumn<Row>) =>
    `${column.isNumber === true ? "number" : ""} ${column.class ?? ""}`.trim() || undefined;
  return (
    <table class="rows">
      <thead>
        <tr>
          {columns.map((column) => (
            <th key={column.name} scope="col" class={column.isNumber === true ? "number" : ""}>
              {column.name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={idOf(row)} class={rowClass?.(row)}>
            {columns.map((column, index) =>
              index === 0 ? (
                <th key={column.name} scope="row" class={classOf(column)}>
                  {column.cell(row)}
                </th>
              ) : (
                <td key={column.name} data-label={column.name} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** `[name, value]` pairs; those without a value are left out. */
export function FactList({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) =>
        value === undefined || value === "" || value === null ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

export function Figure(props: {
  name: string;
  value: number | string;
  tone?: Tone;
  hint?: string;
  children?: ComponentChildren;
}) {
  const { name, value, tone, hint, children } = props;
  return (
    <div class={`figure ${tone ?? ""}`} title={hint}>
      <dt>
        {tone === undefined ? null : <Icon name={tone} />}
        {name}
      </dt>
      <dd>{typeof value === "number" ? wholeText(value) : value}</dd>
      {children}
    </div>
  );
}

/** A choice of one among few. */
export function Choice<Name extends string>(props: {
  label: string;
  value: Name;
  options: readonly (readonly [Name, ComponentChildren])[];
  onChange: (value: Name) => void;
}) {
  const name = useId();
  return (
    <fieldset class="choice">
      <legend class="unseen">{props.label}</legend>
      {props.options.map(([value, text]) => (
        <label key={value}>
          <input
            type="radio"
            name={name}
            checked={value === props.value}
            onChange={() => props.onChange(value)}
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** Opened over the page; Escape and a click beside it close it, and the focus goes back. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren }) {
  const id = useId();
  const own = useRef<HTMLDialogElement>(null);
  // At once: a quick hand types into it already.
  useLayoutEffect(() => own.current?.showModal(), []);
  return (
    <dialog
      ref={own}
      aria-labelledby={id}
      onClose={props.onClose}
      onClick={(event) => {
        if (event.target === own.current) own.current?.close();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") event.stopPropagation();
      }}
    >
      <div class="inside">
        <h2 id={id}>{props.title}</h2>
        {props.children}
      </div>
    </dialog>
  );
}

export interface Act {
  readonly isBusy: boolean;
  readonly fault: string | undefined;
  readonly run: (act: () => Promise<unknown>) => Promise<boolean>;
}

/** Something that a person does: at most once at a time, and what goes wrong is told. */
export function useAct(): Act {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string>();
  const run = async (act: () => Promise<unknown>) => {
    if (isBusy) return false;
    setBusy(true);
    setFault(undefined);
    try {
      await act();
      return true;
    } catch (failure) {
      setFault(failure instanceof Error ? failure.message : String(failure));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, fault, run };
}

export function FaultLine({ fault }: { fault: string | undefined }) {
  return (
    <p class="fault-line" role="alert">
      {fault === undefined ? "" : fault}
    </p>
  );
}
