/** JSON lines on stdout by pino, written synchronously so that a crash loses no line. */
import { destination, pino } from "pino";
import type { Logger } from "./log.ts";

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Secrets have no business in a log; these paths are blotted out wherever they appear. */
const secretPaths = [
  "password",
  "token",
  "secret",
  "seed",
  "*.password",
  "*.token",
  "*.secret",
  "*.seed",
];

export function systemLogger(level: LogLevel, base: Readonly<Record<string, string>>): Logger {
  return pino(
    {
      level,
      base,
      redact: secretPaths,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination({ fd: 1, sync: true }),
  );
}
