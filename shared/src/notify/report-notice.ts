/** A report as receivers tell it, each in the form that suits it. */
import { z } from "zod";

export const reportNoticeSchema = z.object({
  /** One line. */
  title: z.string(),
  /** A few lines, for a telephone. */
  summary: z.array(z.string()),
  /** All of it, in lines for a fixed-width font. */
  text: z.array(z.string()),
  /** All of it, for programs. */
  figures: z.record(z.string(), z.unknown()),
});
export type ReportNotice = z.output<typeof reportNoticeSchema>;
