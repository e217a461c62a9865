/** All gateways, to be found by name or by how they stand. */
import { useState } from "preact/hooks";
import type { Gateway } from "./api-types.ts";
import { countText } from "./format.ts";
import { GatewayTable } from "./gateway-table.tsx";
import { Choice, Empty, Pending } from "./parts.tsx";
import type { Route } from "./router.tsx";
import { replaceQuery } from "./router.tsx";
import { useData } from "./use-data.ts";

interface GatewayList {
  readonly total: number;
  readonly gateways: readonly Gateway[];
  readonly next: string | null;
}

const pollMs = 3_000;
const pageRows = 100;
type State = "" | "online" | "silent" | "retired";

export function GatewaysPage({ route: { query } }: { route: Route }) {
  const [text, setText] = useState(query.get("q") ?? "");
  const [rows, setRows] = useState(pageRows);
  const state = (query.get("state") ?? "") as State;
  const asked = new URLSearchParams({ limit: `${rows}` });
  if (text !== "") asked.set("q", text);
  if (state !== "") asked.set("state", state);
  const { answer, fault, reload } = useData<GatewayList>(`/api/gateways?${asked}`, pollMs);
  return (
    <>
      <header class="head">
        <h1>Gateways</h1>
        {answer === undefined ? null : (
          <p class="soft">{countText(answer.total ?? answer.gateways.length, "gateway")}</p>
        )}
      </header>
      <div class="tools">
        <input
          type="search"
          aria-label="Find a gateway"
          placeholder="Find by name"
          value={text}
          onInput={({ currentTarget: { value } }) => {
            setText(value);
            replaceQuery({ q: value });
          }}
        />
        <Choice<State>
          label="Which gateways"
          value={state}
          options={[
            ["", "All"],
            ["online", "Connected"],
            ["silent", "Silent"],
            ["retired", "Retired"],
          ]}
          onChange={(value) => replaceQuery({ state: value })}
        />
      </div>
      {answer === undefined ? (
        <Pending fault={fault} retry={reload} />
      ) : answer.gateways.length === 0 ? (
        <Empty icon="gateway">
          {text === "" && state === ""
            ? "No gateway has been heard yet. As soon as one connects, it appears here."
            : "No gateway is like that."}
        </Empty>
      ) : (
        <>
          <GatewayTable gateways={answer.gateways} />
          {answer.next === null || answer.next === undefined ? null : (
            <button type="button" onClick={() => setRows(rows + pageRows)}>
              Show more
            </button>
          )}
        </>
      )}
    </>
  );
}
