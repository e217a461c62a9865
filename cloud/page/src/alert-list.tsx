/** Alerts as lines; each leads to all that is known of it. */
import type { Alert } from "./api-types.ts";
import { durationText, spotText } from "./format.ts";
import { Icon } from "./icons.tsx";
import { useNow } from "./live.tsx";
import { SeverityBadge, Time } from "./parts.tsx";
import { link } from "./router.tsx";

/** `search`: what stays of where one is. */
export function AlertList({ alerts, search = "" }: { alerts: readonly Alert[]; search?: string }) {
  return (
    <ul class="alerts">
      {alerts.map((alert) => (
        <AlertLine key={alert.id} alert={alert} search={search} />
      ))}
    </ul>
  );
}

function AlertLine({ alert, search }: { alert: Alert; search: string }) {
  const { id, state, severity, rule, reason, firingAt, gateway, device } = alert;
  const isFiring = state === "firing";
  return (
    <li class={`alert ${state} ${severity}`}>
      <a href={link("alerts", id) + search}>
        <SeverityBadge severity={severity} />
        <span class="what">
          <strong>{spotText(alert)}</strong>
          <span class="text">{reason}</span>
          <small class="soft">
            {rule}
            {device === "" || gateway === "" ? "" : `, at ${gateway}`}
            <Standing alert={alert} />
          </small>
        </span>
        <span class="when soft">
          {isFiring ? <Since at={firingAt} /> : <Lasted alert={alert} />}
        </span>
        <Icon name="right" />
      </a>
    </li>
  );
}

function Since({ at }: { at: number }) {
  return (
    <>
      <Time at={at} />
      <br />
      for {durationText(useNow() - at)}
    </>
  );
}

export const endOf = ({ state, at, resolvedAt }: Alert): number | undefined =>
  state === "firing" ? undefined : (resolvedAt ?? at ?? undefined);

function Lasted({ alert }: { alert: Alert }) {
  const end = endOf(alert);
  return (
    <>
      <Time at={alert.firingAt} />
      <br />
      {end === undefined ? "resolved" : `lasted ${durationText(end - alert.firingAt)}`}
    </>
  );
}

function Standing({ alert }: { alert: Alert }) {
  const { acknowledged, silencedBy, inhibitedBy, late, flapping, raisedBy } = alert;
  const parts = [
    ...(acknowledged === undefined ? [] : [`acknowledged by ${acknowledged.by}`]),
    ...(silencedBy === undefined ? [] : ["silenced"]),
    ...(inhibitedBy === undefined ? [] : ["follows from another alert"]),
    ...(late ? ["came late"] : []),
    ...(flapping ? ["comes and goes"] : []),
    ...(raisedBy === "edge" ? ["found at the gateway"] : []),
  ];
  return <>{parts.map((part) => ` · ${part}`)}</>;
}
