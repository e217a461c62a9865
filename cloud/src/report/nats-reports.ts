/** Reports that were made, as ENGINE holds them for 90 days. */

import { decodeReportMessage } from "@causeway/shared/notify/report-message.ts";
import type { ReportNotice } from "@causeway/shared/notify/report-notice.ts";
import { engineStream, subjects } from "@causeway/shared/subjects.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { isStreamMissing } from "../ingest/nats-streams.ts";

/** The newest of that name; throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export async function lastReport(
  manager: JetStreamManager,
  name: string,
): Promise<ReportNotice | undefined> {
  const query = { last_by_subj: subjects.report(name) };
  try {
    const found = await manager.streams.getMessage(engineStream, query);
    return found === null ? undefined : decodeReportMessage(found.string()).notification.report;
  } catch (failure) {
    if (isStreamMissing(failure)) return undefined;
    throw failure;
  }
}
