/** How much an alert of a rule matters, from least to most. */
export const severities = ["info", "warning", "critical"] as const;
export type Severity = (typeof severities)[number];
