/** The newest values of some devices, with a small curve each. */
import type { Device, Series } from "./fleet.ts";
import { deviceKey } from "./fleet.ts";
import { byName, unitText, utcText, valueText } from "./format.ts";
import { useFleet } from "./live.tsx";
import { AlertSign, Curve, Empty, Time } from "./parts.tsx";
import { link } from "./router.tsx";

const cardsMax = 18;
const metricsMax = 5;

export function DeviceCards() {
  const fleet = useFleet("series", "alerts");
  const alarmed = new Set(fleet.firing().map(deviceKey));
  const devices = shownDevices([...fleet.devices.values()], alarmed);
  if (devices.length === 0)
    return (
      <Empty icon="device">
        No value has come yet. Send one:
        <code>npx mqtt pub -t devices/kitchen/telemetry -m '{`{"temperature": 21.5}`}'</code>
      </Empty>
    );
  return (
    <ul class="cards">
      {devices.map((device) => (
        <DeviceCard key={deviceKey(device)} device={device} />
      ))}
    </ul>
  );
}

/** Those with alerts first; of the others the first by name, so that cards do not jump about. */
function shownDevices(all: readonly Device[], alarmed: ReadonlySet<string>) {
  const weight = (device: Device) => (alarmed.has(deviceKey(device)) ? 0 : 1);
  const order = (a: Device, b: Device) =>
    weight(a) - weight(b) || byName(a.device, b.device) || byName(a.gateway, b.gateway);
  return all.toSorted(order).slice(0, cardsMax);
}

function DeviceCard({ device: { gateway, device, series, receivedAt } }: { device: Device }) {
  const fleet = useFleet("values");
  const severity = fleet.severityAt(gateway, device);
  const shown = [...series.values()]
    .filter(({ update }) => update.metric !== "seq" || series.size === 1)
    .sort((a, b) => byName(a.update.metric, b.update.metric))
    .slice(0, metricsMax);
  return (
    <li class={`card ${severity ?? ""}`}>
      <span class="name">
        <AlertSign severity={severity} />
        <a href={link("devices", gateway, device)}>{device}</a>
      </span>
      <span class="soft when">
        <Time at={receivedAt} />
      </span>
      <table>
        <colgroup>
          <col />
          <col />
          <col />
        </colgroup>
        <thead class="unseen">
          <tr>
            <th scope="col">Metric</th>
            <th scope="col">Curve</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <ValueLine
              key={one.update.metric}
              series={one}
              isAlarmed={fleet.severityAt(gateway, device, one.update.metric) !== undefined}
            />
          ))}
        </tbody>
      </table>
    </li>
  );
}

function ValueLine({ series, isAlarmed }: { series: Series; isAlarmed: boolean }) {
  const { update, recent } = series;
  return (
    <tr class={isAlarmed ? "alarmed" : ""}>
      <th scope="row">{update.metric}</th>
      <td class="curve-cell">
        <Curve values={recent} height={20} />
      </td>
      <td class="value">
        <ValueText update={update} />
      </td>
    </tr>
  );
}

export function ValueText({ update }: { update: Series["update"] }) {
  const { value, unit, quality, qualityReason, observedAt, receivedAt } = update;
  return (
    <span title={utcText(observedAt ?? receivedAt)}>
      {quality === "good" ? null : (
        <small class={`quality ${quality}`} title={qualityReason ?? "the device says so"}>
          {quality === "bad" ? "bad " : "uncertain "}
        </small>
      )}
      {valueText(value)}
      {value === null ? null : <small class="unit"> {unitText(unit)}</small>}
    </span>
  );
}
