/** What can be set of the historian. */
import { z } from "zod";

const days = z.number().min(0).max(36_500);

export const historySchema = z
  .strictObject({
    kind: z.enum(["duckdb", "postgres", "none"]).default("duckdb"),
    /** Of PostgreSQL: postgres://user:password@host:5432/database; better in a file. */
    url: z.string().min(1).optional(),
    urlFile: z.string().min(1).optional(),
    /** Of readings as they came; 0 is for ever, here and below. */
    retentionDays: days.default(90),
    /** Of their sums by the minute, and by the hour. */
    minuteDays: days.default(400),
    hourDays: days.default(3_650),
    memoryMegabytes: z.int().min(64).max(1_048_576).default(256),
    threads: z.int().min(1).max(256).default(2),
    /** A day is put into files so long after its end. */
    hotHours: z.number().min(0).max(8_760).default(6),
  })
  .prefault({});

export type HistorySettings = z.infer<typeof historySchema>;

export function historyFaults({ kind, url, urlFile }: HistorySettings) {
  const isSet = url !== undefined || urlFile !== undefined;
  if (kind === "postgres" && !isSet) {
    const message = "kind postgres needs the database: set url, or urlFile to a file that holds it";
    return [{ path: ["history", "kind"], message, input: kind }];
  }
  if (url !== undefined && urlFile !== undefined) {
    const message = "stands beside urlFile: leave one of the two out";
    return [{ path: ["history", "url"], message, input: url }];
  }
  return [];
}
