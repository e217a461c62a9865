/** What is reported to whom, and when: the `reports:` of cloud.yaml. */

import { matchersSchema } from "@causeway/shared/operate/labels.ts";
import { isTimeZone } from "@causeway/shared/rules/time-zone.ts";
import { z } from "zod";

export const reportsMax = 16;
export const reportNameCharactersMax = 48;
/** In the calendar's order. */
export const weekdays = [
  "sunday",
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
] as const;

export const reportSchema = z.strictObject({
  /** Never changed: what was reported already hangs on it. */
  name: z
    .string()
    .regex(
      new RegExp(`^[A-Za-z0-9_-]{1,${reportNameCharactersMax}}$`),
      `use 1 to ${reportNameCharactersMax} letters, digits, "_" or "-"`,
    ),
  every: z.enum(["daily", "weekly"]).default("daily"),
  /** In `zone`. */
  at: z
    .string()
    .regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, "a time of day such as 07:00")
    .default("07:00"),
  /** Of a weekly one. */
  on: z.enum(weekdays).default("monday"),
  zone: z.string().refine(isTimeZone, "a time zone such as Europe/Berlin").default("UTC"),
  /** Gateways by their labels: `site`, `gateway`, and those of the fleet. */
  match: matchersSchema.default({}),
  receivers: z.array(z.string()).min(1).max(16),
});
export type ReportSettings = z.infer<typeof reportSchema>;

/** Labels of alerts that no gateway has. */
const ofAlerts: readonly string[] = ["rule", "severity", "device", "metric", "family"];

export const reportsSchema = z
  .array(reportSchema)
  .max(reportsMax)
  .default([])
  .superRefine((reports, context) => {
    for (const [index, { name, match }] of reports.entries()) {
      if (reports.findIndex((other) => other.name === name) < index) {
        const message = `report ${name} is named twice`;
        context.addIssue({ code: "custom", path: [index, "name"], message });
      }
      for (const label of Object.keys(match).filter((own) => ofAlerts.includes(own))) {
        const message = "no gateway has this label: reports select by site, gateway and labels";
        context.addIssue({ code: "custom", path: [index, "match", label], message });
      }
    }
  });

const alertsOnly: readonly string[] = ["alertmanager", "command"];

interface Named {
  readonly name: string;
  readonly kind: string;
}

interface ReceiverFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly input: string;
}

/** What `reports` says of receivers that are not there, or that take alerts and nothing else. */
export function receiverFaults(
  reports: readonly ReportSettings[],
  receivers: readonly Named[],
): readonly ReceiverFault[] {
  return reports.flatMap(({ receivers: names }, index) =>
    names.flatMap((input, at) => {
      const found = receivers.find(({ name }) => name === input);
      const path = ["reports", index, "receivers", at];
      if (found === undefined) {
        const known = receivers.map(({ name }) => name).join(", ") || "none";
        return [{ path, input, message: `no such receiver; there are: ${known}` }];
      }
      if (!alertsOnly.includes(found.kind)) return [];
      return [{ path, input, message: `${found.kind} takes alerts, and no reports` }];
    }),
  );
}
