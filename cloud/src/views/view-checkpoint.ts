/**
 * The view of the journal as it is kept on disk, so that a restart reads what came since, and no more.
 * Lines of JSON, of one instant:
 *
 *   { "v": 2, sequence, mark, counts, seriesEvicted, gateways: n, series: n, ledgers: n }
 *   a line each: gateways, series (oldest change first), ledgers as marks
 *   { "sha256": of all lines before, each with its line feed }
 *
 * What cannot be read in full counts as nothing: the journal has it all.
 */
import { createHash } from "node:crypto";
import { qualities } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { z } from "zod";
import type { EventsState } from "./fleet-view.ts";
import type { GatewayView } from "./gateway-table.ts";
import { gatewayStateSchema } from "./gateway-table.ts";
import type { KeptSeries } from "./series-table.ts";

export interface ViewCheckpoint {
  /** Of the journal's last message in it, and how to know that message again. */
  readonly sequence: number;
  readonly mark: string;
  readonly events: EventsState;
  /** Where each gateway's ledger was. */
  readonly ledgers: readonly Mark[];
}

const count = z.int().min(0);
const headSchema = z.object({
  v: z.literal(2),
  ...{ sequence: count, mark: z.string(), seriesEvicted: count },
  counts: z.object({
    ...{ events: count, readings: count, quarantined: count, dead: count, repeats: count },
    ...{ doubts: count, lost: count, late: count },
  }),
  ...{ gateways: count, series: count, ledgers: count },
});
const seriesSchema = z.object({
  ...{ gateway: z.string(), device: z.string(), metric: z.string() },
  value: z.union([z.number(), z.string(), z.boolean(), z.null()]),
  unit: z.string().optional(),
  quality: z.enum(qualities),
  qualityReason: z.string().optional(),
  observedAt: z.number().nullable(),
  ownObservedAt: z.number().optional(),
  receivedAt: z.number(),
  timeQuality: z.enum(["synchronised", "unsynchronised"]),
  ...{ late: z.boolean(), event: z.string(), recent: z.array(z.number()) },
  ...{ sequence: count, ordinal: z.number() },
});
const footSchema = z.object({ sha256: z.string() });

/** Each ends with a line feed. They are made one by one, for there may be many. */
export function* checkpointLines(checkpoint: ViewCheckpoint): Generator<string, void, undefined> {
  const { sequence, mark, events, ledgers } = checkpoint;
  const { counts, seriesEvicted, gateways, series } = events;
  const hash = createHash("sha256");
  const line = (text: string) => {
    hash.update(`${text}\n`);
    return `${text}\n`;
  };
  const lengths = {
    gateways: gateways.length,
    series: series.length,
    ledgers: ledgers.length,
  };
  yield line(JSON.stringify({ v: 2, sequence, mark, counts, seriesEvicted, ...lengths }));
  for (const row of gateways) yield line(JSON.stringify(row));
  for (const row of series) yield line(JSON.stringify(row));
  for (const ledger of ledgers) yield line(encodeMark(ledger));
  yield `${JSON.stringify({ sha256: hash.digest("hex") })}\n`;
}

/** Takes the lines one by one, without their line feeds. Throws on the first that is not right. */
export class CheckpointReader {
  readonly #hash = createHash("sha256");
  readonly #gateways: GatewayView[] = [];
  readonly #series: KeptSeries[] = [];
  readonly #ledgers: Mark[] = [];
  #head: z.output<typeof headSchema> | undefined;
  #isWhole = false;

  take(line: string): void {
    if (this.#isWhole) throw new Error("more than its end");
    const head = this.#head;
    if (head === undefined) this.#head = headSchema.parse(JSON.parse(line));
    else if (this.#gateways.length < head.gateways)
      this.#gateways.push(gatewayStateSchema.parse(JSON.parse(line)));
    else if (this.#series.length < head.series) this.#series.push(seriesOf(line));
    else if (this.#ledgers.length < head.ledgers) this.#ledgers.push(decodeMark(line));
    else {
      this.#end(line);
      return;
    }
    this.#hash.update(`${line}\n`);
  }

  /** Throws where its end is missing. */
  whole(): ViewCheckpoint {
    const head = this.#head;
    if (head === undefined || !this.#isWhole) throw new Error("its end is missing");
    const { sequence, mark, counts, seriesEvicted } = head;
    const [gateways, series] = [this.#gateways, this.#series];
    const events = { counts, seriesEvicted, gateways, series };
    return { sequence, mark, events, ledgers: this.#ledgers };
  }

  #end(line: string): void {
    const { sha256 } = footSchema.parse(JSON.parse(line));
    if (sha256 !== this.#hash.digest("hex")) throw new Error("its checksum differs");
    this.#isWhole = true;
  }
}

function seriesOf(line: string): KeptSeries {
  const { unit, qualityReason, ownObservedAt, ...row } = seriesSchema.parse(JSON.parse(line));
  return { ...row, unit, qualityReason, ownObservedAt };
}
