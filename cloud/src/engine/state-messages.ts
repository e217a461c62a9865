/** What a gateway's commit says of its state: changed pages of its ledger, open alerts, and its mark. */
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import { encodeEpochPage } from "@causeway/shared/epoch-page.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { encodeMark } from "@causeway/shared/mark.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { CommitMessage } from "./engine-store.ts";

export interface GatewayFacts {
  readonly pages: readonly EpochPage[];
  /** Undefined where they are as they were. */
  readonly openAlerts: string | undefined;
  readonly mark: Mark;
}

/** Each in place of the one before. */
export function stateMessages(
  partition: number,
  gateway: string,
  { pages, openAlerts, mark }: GatewayFacts,
): CommitMessage[] {
  const messages = pages.map((page) => ({
    subject: subjects.epochPage(partition, page.gateway, page.number),
    data: encodeEpochPage(page),
    rollup: true,
  }));
  if (openAlerts !== undefined) {
    const subject = subjects.openAlerts(partition, gateway);
    messages.push({ subject, data: openAlerts, rollup: true });
  }
  const subject = subjects.mark(partition, gateway);
  return [...messages, { subject, data: encodeMark(mark), rollup: true }];
}
