/** All devices, however many: found by name, by how they stand, in any order. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Device, DeviceList, DeviceState } from "./api-types.ts";
import { countText, roughText, wholeText } from "./format.ts";
import { get, problemText } from "./http-api.ts";
import { Icon } from "./icons.tsx";
import { fleet, useFleet } from "./live.tsx";
import { PagedList } from "./paged-list.ts";
import type { Tone } from "./parts.tsx";
import { Ago, AlertSign, Badge, Choice, Empty, Pending } from "./parts.tsx";
import type { Route } from "./router.tsx";
import { link, replaceQuery } from "./router.tsx";
import { after, everyWhileSeen } from "./system-browser.ts";
import type { Sight } from "./virtual-table.tsx";
import { VirtualTable } from "./virtual-table.tsx";

const pageRows = 200;
const refreshMs = 4_000;
const typingMs = 200;
const rowHeight = 44;
const cardHeight = 76;

const tones: Readonly<Record<DeviceState, Tone>> = {
  online: "good",
  quiet: "warning",
  offline: "critical",
  unknown: "wait",
  retired: "off",
};

export const StateBadge = ({ state }: { state: DeviceState }) => (
  <Badge tone={tones[state]}>{state}</Badge>
);

type Sort = "name" | "lastSeen" | "rate" | "state";

interface Asked {
  readonly q: string;
  readonly gateway: string;
  readonly state: string;
  readonly sort: string;
  readonly order: string;
}

function askedBy(query: URLSearchParams): Asked {
  const of = (name: string, usual = "") => query.get(name) ?? usual;
  return {
    ...{ q: of("q"), gateway: of("gateway"), state: of("state") },
    ...{ sort: of("sort", "name"), order: of("order", "asc") },
  };
}

interface Shown {
  readonly list: PagedList<Device>;
  readonly states: DeviceList["states"] | undefined;
  readonly fault: string | undefined;
}

function useDevices(asked: Asked): readonly [Shown | undefined, (sight: Sight) => void] {
  const [shown, setShown] = useState<Shown>();
  const sight = useRef<Sight>({ from: 0, to: 0 });
  const list = useRef<PagedList<Device> | undefined>(undefined);
  const key = new URLSearchParams(
    Object.entries(asked).filter(([, value]) => value !== ""),
  ).toString();
  useEffect(() => {
    let states: DeviceList["states"] | undefined;
    const fetchPage = async (from: string | undefined) => {
      const query = new URLSearchParams(`${key}&limit=${pageRows}`);
      if (from !== undefined) query.set("after", from);
      const answer = await get<DeviceList>(`/api/devices?${query}`);
      states = answer.states;
      return { total: answer.total, rows: answer.devices, next: answer.next };
    };
    const own: PagedList<Device> = new PagedList(pageRows, fetchPage, (failure) =>
      setShown({
        list: own,
        states,
        fault: failure === undefined ? undefined : problemText(failure),
      }),
    );
    list.current = own;
    own.want(0);
    const cancel = everyWhileSeen(refreshMs, () => {
      own.want(sight.current.to);
      void own.refresh(sight.current.from, sight.current.to);
    });
    return () => {
      own.stop();
      cancel();
    };
  }, [key]);
  const look = (now: Sight) => {
    sight.current = now;
    list.current?.want(now.to);
  };
  return [shown, look];
}

export function DevicesPage({ route: { query } }: { route: Route }) {
  const asked = askedBy(query);
  const [shown, look] = useDevices(asked);
  const total = shown?.list.total;
  return (
    <>
      <header class="head">
        <h1>Devices</h1>
        {total === undefined ? null : (
          <p class="soft" aria-live="polite">
            {countText(total, "device")}
            {asked.gateway === "" ? "" : ` of ${asked.gateway}`}
          </p>
        )}
      </header>
      <Tools asked={asked} states={shown?.states} />
      {shown === undefined || total === undefined ? (
        <Pending fault={shown?.fault} retry={() => shown?.list.want(0)} />
      ) : total === 0 ? (
        <Empty icon="device">
          {asked.q + asked.state + asked.gateway === "" ? (
            <>
              No device has sent anything yet. Send a value:
              <code>npx mqtt pub -t devices/kitchen/telemetry -m '{'{"temperature": 21.5}'}'</code>
            </>
          ) : (
            "No device is like that."
          )}
        </Empty>
      ) : (
        <DeviceTable list={shown.list} total={total} asked={asked} onSight={look} />
      )}
      {total !== undefined && shown?.fault !== undefined ? (
        <p class="fault-line" role="alert">
          {shown.fault}
        </p>
      ) : null}
    </>
  );
}

function Tools({ asked, states }: { asked: Asked; states: Shown["states"] }) {
  const [text, setText] = useState(asked.q);
  useEffect(
    () => after(typingMs, () => text !== asked.q && replaceQuery({ q: text })),
    [text, asked.q],
  );
  const count = (state: DeviceState) =>
    states === undefined ? "" : ` ${wholeText(states[state] ?? 0)}`;
  return (
    <div class="tools">
      <input
        type="search"
        aria-label="Find a device"
        placeholder="Find by id or name"
        value={text}
        onInput={({ currentTarget: { value } }) => setText(value)}
      />
      <Choice<string>
        label="Which devices"
        value={asked.state}
        options={[
          ["", "All"],
          ["online", `Online${count("online")}`],
          ["quiet", `Quiet${count("quiet")}`],
          ["offline", `Offline${count("offline")}`],
          ["unknown", `Unknown${count("unknown")}`],
          ["retired", `Retired${count("retired")}`],
        ]}
        onChange={(state) => replaceQuery({ state })}
      />
      {asked.gateway === "" ? null : (
        <button type="button" onClick={() => replaceQuery({ gateway: undefined })}>
          Of all gateways
        </button>
      )}
    </div>
  );
}

const columns: readonly (readonly [name: string, sort: Sort | undefined, isNumber: boolean])[] = [
  ["Device", "name", false],
  ["Gateway", undefined, false],
  ["State", "state", false],
  ["Seen", "lastSeen", false],
  ["A minute", "rate", true],
  ["Readings", undefined, true],
  ["Family", undefined, false],
];

function useIsNarrow(): boolean {
  const query = "(max-width: 720px)";
  const [isNarrow, setNarrow] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const changed = () => setNarrow(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  return isNarrow;
}

function DeviceTable(props: {
  list: PagedList<Device>;
  total: number;
  asked: Asked;
  onSight: (sight: Sight) => void;
}) {
  const { list, total, asked, onSight } = props;
  const height = useIsNarrow() ? cardHeight : rowHeight;
  useFleet("alerts");
  return (
    <VirtualTable
      label="Devices"
      total={total}
      rowHeight={height}
      columns={columns.length}
      onSight={onSight}
      head={
        <tr>
          {columns.map(([name, sort, isNumber]) => (
            <SortHead key={name} name={name} sort={sort} isNumber={isNumber} asked={asked} />
          ))}
        </tr>
      }
      row={(index) => (
        <DeviceLine key={index} index={index} device={list.row(index)} height={height} />
      )}
    />
  );
}

function SortHead(props: {
  name: string;
  sort: Sort | undefined;
  isNumber: boolean;
  asked: Asked;
}) {
  const { name, sort, isNumber, asked } = props;
  const isOwn = sort === asked.sort;
  const isUp = asked.order === "asc";
  const order = isOwn ? { "aria-sort": isUp ? "ascending" : "descending" } : {};
  return (
    <th scope="col" class={isNumber ? "number" : ""} {...(order as object)}>
      {sort === undefined ? (
        name
      ) : (
        <button
          type="button"
          class="sort"
          onClick={() => {
            const usual = sort === "name" || sort === "state" ? "asc" : "desc";
            replaceQuery({ sort, order: isOwn ? (isUp ? "desc" : "asc") : usual });
          }}
        >
          {name}
          {isOwn ? <Icon name={isUp ? "up" : "down"} /> : null}
        </button>
      )}
    </th>
  );
}

function DeviceLine(props: { index: number; device: Device | undefined; height: number }) {
  const { index, device, height } = props;
  const style = { height: `${height}px` };
  if (device === undefined)
    return (
      <tr aria-rowindex={index + 2} style={style} class="coming">
        <td colSpan={columns.length}>…</td>
      </tr>
    );
  const { gateway, device: id, name, state, lastSeen, eventsPerMinute, readings, family } = device;
  return (
    <tr aria-rowindex={index + 2} style={style}>
      <th scope="row">
        <AlertSign severity={fleet.severityAt(gateway, id)} />
        <a href={link("devices", gateway, id)}>{name === "" ? id : name}</a>
        {name === "" ? null : <small class="soft"> {id}</small>}
      </th>
      <td class="second">{gateway}</td>
      <td class="state">
        <StateBadge state={state} />
      </td>
      <td class="seen">
        <Ago at={lastSeen} />
      </td>
      <td class="number wide">{roughText(eventsPerMinute)}</td>
      <td class="number wide">{wholeText(readings)}</td>
      <td class="wide soft">{family}</td>
    </tr>
  );
}
