/**
 * The switch of the demo, which only `npm start` has: it cuts the link between gateway and cloud, so
 * that one sees what waits, and that all of it arrives.
 */
import { useEffect, useState } from "preact/hooks";
import { countText, wholeText } from "./format.ts";
import { send } from "./http-api.ts";
import { Icon } from "./icons.tsx";
import { may, useNow } from "./live.tsx";
import { FaultLine, useAct } from "./parts.tsx";
import { useData } from "./use-data.ts";

interface Demo {
  readonly link: "up" | "cut";
  /** When it was switched last, in ms; null: never. */
  readonly since: number | null;
  readonly gateway: {
    /** Messages that devices hold an acknowledgement for. */
    readonly acknowledged: number;
    /** Of these, those that the cloud has not taken yet. */
    readonly waiting: number;
    readonly lost: number;
  } | null;
}

const pollMs = 1_000;

export function DemoPanel() {
  return document.querySelector("meta[name=causeway-demo]") === null ? null : <Switch />;
}

function Switch() {
  const { answer, reload } = useData<Demo>("/api/demo", pollMs);
  const act = useAct();
  const [most, setMost] = useState(0);
  const now = useNow();
  const waiting = answer?.gateway?.waiting ?? 0;
  useEffect(() => {
    if (answer?.link === "cut") setMost((before) => Math.max(before, waiting));
  }, [answer?.link, waiting]);
  if (answer === undefined) return null;
  const { link, since, gateway } = answer;
  const isCut = link === "cut";
  const turn = async () => {
    if (!isCut) setMost(0);
    await send("POST", "/api/demo", { link: isCut ? "up" : "cut" });
    reload();
  };
  return (
    <section class={`panel demo ${link}`} aria-labelledby="demo-title">
      <div class="said">
        <h2 id="demo-title">Try it: cut the link</h2>
        <p aria-live="polite">{story(answer, most, now)}</p>
        <FaultLine fault={act.fault} />
      </div>
      <Path link={link} gateway={gateway} />
      {may("operate") ? (
        <button
          type="button"
          class={isCut ? "primary" : "danger"}
          disabled={act.isBusy}
          onClick={() => void act.run(turn)}
        >
          <Icon name={isCut ? "link" : "cut"} />
          {isCut ? "Mend the link" : "Cut the link"}
        </button>
      ) : (
        <p class="soft">Open the address that npm start printed: then you may.</p>
      )}
      {since === null ? null : <Proof gateway={gateway} isCut={isCut} />}
    </section>
  );
}

function story({ link, since, gateway }: Demo, most: number, now: number): string {
  const waiting = gateway?.waiting ?? 0;
  const seconds = since === null ? 0 : Math.max(0, Math.round((now - since) / 1_000));
  if (link === "cut") {
    const kept = "Devices go on: each message is on the gateway's disk before it is acknowledged.";
    return `Cut for ${seconds} s. ${kept} ${countText(waiting, "message")} waiting.`;
  }
  if (since === null) {
    const flow = "Devices publish to a gateway, which sends to the cloud.";
    return `${flow} Cut the link between them and watch what happens.`;
  }
  if (waiting > 20) return `Mended. The gateway sends what waited: ${wholeText(waiting)} left.`;
  const arrived = `${countText(most, "message")} that waited ${most === 1 ? "has" : "have"} arrived`;
  return `Mended: ${most === 0 ? "what waited has arrived" : `all ${arrived}`}, none lost, none twice.`;
}

function Path({ link, gateway }: Pick<Demo, "link" | "gateway">) {
  const waiting = gateway?.waiting ?? 0;
  return (
    <div class="path" aria-hidden="true">
      <span class="stop">
        <Icon name="device" />
        devices
      </span>
      <span class="line flows" />
      <span class="stop">
        <Icon name="gateway" />
        gateway
        <b>{waiting > 3 ? `${wholeText(waiting)} wait` : "\u00a0"}</b>
      </span>
      <span class={`line ${link === "cut" ? "broken" : "flows"}`} />
      <span class="stop">
        <Icon name="overview" />
        cloud
      </span>
    </div>
  );
}

function Proof({ gateway, isCut }: { gateway: Demo["gateway"]; isCut: boolean }) {
  if (gateway === null) return null;
  const { acknowledged, waiting, lost } = gateway;
  return (
    <p class="proof">
      <span>
        <b>{wholeText(acknowledged)}</b> acknowledged to devices
      </span>
      <span>
        <b>{wholeText(Math.max(0, acknowledged - waiting))}</b> taken by the cloud
      </span>
      <span>
        <b>{wholeText(waiting)}</b> {isCut ? "safe at the gateway" : "on their way"}
      </span>
      <span>
        <b>{wholeText(lost)}</b> lost
      </span>
    </p>
  );
}
