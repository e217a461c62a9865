/** The retention's status as metrics, and as what keeps the cloud from being ready. */
import type { Metric } from "@causeway/shared/metric.ts";
import { metricsOf } from "@causeway/shared/metric.ts";
import { fullPercent, percentOf } from "./floor.ts";
import type { RetentionStatus } from "./retention.ts";

const { gauge, counter } = metricsOf("causeway_cloud_");

export function retentionMetrics(status: RetentionStatus): readonly Metric[] {
  const { journal, engine, floor, readers, purges, purgedMessages, cap } = status;
  const streams = [
    { stream: "TLM", state: journal },
    { stream: "ENGINE", state: engine },
  ];
  return [
    ...streams.flatMap(({ stream, state }) =>
      state === undefined
        ? []
        : [
            gauge("stream_bytes", "Bytes stored", state.bytes, { stream }),
            gauge("stream_bytes_max", "Bound of what is stored", state.bytesMax, { stream }),
          ],
    ),
    gauge("journal_first_sequence", "First message that the journal keeps", journal?.first ?? 0),
    gauge("journal_last_sequence", "Last message of the journal", journal?.last ?? 0),
    gauge("journal_floor", "Messages before it may be purged", floor?.sequence ?? 0),
    ...readers.map(({ name, messages }) =>
      gauge("reader_lag_messages", "Messages behind", messages, { reader: name }),
    ),
    counter("journal_purges_total", "Times that the journal was purged", purges),
    counter("journal_purged_messages_total", "Messages purged", purgedMessages),
    gauge("gateway_cap_bytes", "Bytes per second allowed to a gateway; 0 is no bound", cap ?? 0),
  ];
}

/** In words; empty while there is room. */
export function roomReasons({ journal, engine, floor, fault }: RetentionStatus): readonly string[] {
  const reasons: string[] = [];
  if (journal !== undefined && percentOf(journal) >= fullPercent) {
    const heldBy = floor?.heldBy ?? "an engine that is not running";
    reasons.push(`stream TLM is full and gateways wait; it is held back by ${heldBy}`);
  }
  if (engine !== undefined && percentOf(engine) >= fullPercent) {
    reasons.push("stream ENGINE is full: raise streams.engineBytesMax");
  }
  if (fault !== undefined) reasons.push(`the journal's room cannot be looked after: ${fault}`);
  return reasons;
}
