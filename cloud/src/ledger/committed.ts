/** Every gateway's ledger as it is committed: marks, and the pages beside them. */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import { decodeEpochPage } from "@causeway/shared/epoch-page.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { EpochLedger, LooseStretch, Mark } from "@causeway/shared/mark.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { parseGatewaySubject } from "@causeway/shared/subjects.ts";
import type { EngineStore } from "../engine/engine-store.ts";

export interface CommittedLedgers {
  readonly marks: readonly { readonly partition: number; readonly mark: Mark }[];
  /** In ascending order. */
  readonly pagesOf: (gateway: string) => readonly EpochPage[];
}

/**
 * Of one gateway, or of all. Marks first: what leaves a mark in between stands in a page that is read
 * after it.
 */
export async function loadLedgers(
  store: Pick<EngineStore, "loadLast">,
  gateway: GatewayId | "*" = "*",
): Promise<CommittedLedgers> {
  const found = await store.loadLast(`mark.*.${gateway}`);
  const pages = (await store.loadLast(`epochs.*.${gateway}.*`)).map(({ text }) =>
    decodeEpochPage(text),
  );
  const marks = found.flatMap(({ subject, text }) => {
    const place = parseGatewaySubject(subject);
    return place === undefined ? [] : [{ partition: place.partition, mark: decodeMark(text) }];
  });
  const byGateway = Map.groupBy(
    pages.sort((one, other) => one.number - other.number),
    ({ gateway }) => gateway,
  );
  return { marks, pagesOf: (gateway) => byGateway.get(gateway) ?? [] };
}

/** Marks that name every epoch, oldest first, with all that is known of each. */
export function wholeMarks({ marks, pagesOf }: CommittedLedgers): readonly Mark[] {
  return marks.map(({ mark }) => {
    const pages = pagesOf(mark.gateway);
    const rows = new Map<EpochId, EpochLedger>();
    for (const row of [...pages.flatMap(({ epochs }) => epochs), ...mark.epochs]) {
      rows.set(row.epoch, row);
    }
    const loose = Map.groupBy(
      pages.flatMap(({ stretches }) => stretches),
      ({ epoch }) => epoch,
    );
    const epochs = [...rows.values()].map((row) => withLoose(row, loose.get(row.epoch) ?? []));
    return { ...mark, epochs };
  });
}

function withLoose(row: EpochLedger, loose: readonly LooseStretch[]): EpochLedger {
  if (loose.length === 0) return row;
  const whole = (log: Log) => {
    const older = loose.filter((each) => each.log === log).map(({ stretch }) => stretch);
    return { ...row.logs[log], stretches: [...older, ...row.logs[log].stretches] };
  };
  return { ...row, logs: { telemetry: whole("telemetry"), priority: whole("priority") } };
}
