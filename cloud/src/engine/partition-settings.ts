/** What a partition is given, and what it hands out to be committed. */
import type { LetterBounds } from "../dead/open-letters.ts";
import type { Suspects } from "../dead/suspects.ts";
import type { LedgerBounds } from "../ledger/bounds.ts";
import type { QuotaOf } from "../quota/quota-settings.ts";
import type { CommitMessage } from "./engine-store.ts";

export interface Collected {
  readonly messages: readonly CommitMessage[];
  readonly characters: number;
  /** Nothing is left. */
  readonly complete: boolean;
}

export interface PartitionSettings {
  /** The usual ones where they are not given. */
  readonly ledgerBounds?: LedgerBounds | undefined;
  /** A gateway of which nothing live came for so long is told as silent; undefined: never. */
  readonly silentAfterMs?: number | undefined;
  readonly quotaOf?: QuotaOf | undefined;
  readonly quotaZone?: string | undefined;
  readonly letterBounds?: LetterBounds | undefined;
  /** What failed in this process before; kept over take-overs. */
  readonly suspects?: Suspects | undefined;
}
