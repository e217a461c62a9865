/** What a rule emits: an event that is made of others, for other rules and for programs that read it. */
import { z } from "zod";
import { CodedError } from "../errors.ts";
import type { Reading } from "../event.ts";

export interface DerivedEvent {
  /** The same in every replay. */
  readonly id: string;
  /** `timer` where time alone brought it about. */
  readonly kind: "derived" | "timer";
  readonly name: string;
  readonly rule: string;
  readonly ruleVersion: string;
  readonly gateway: string;
  /** "" where it is about more than one device, or metric. */
  readonly device: string;
  readonly metric: string;
  /** Event time in ms, as the rule counts it. */
  readonly at: number;
  /** The gateway's time in ms. */
  readonly receivedAt: number;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
  /** One sentence that a technician understands. */
  readonly reason: string;
  /** Ids of readings, derived events and ticks; the newest where there are many. */
  readonly causes: readonly string[];
  readonly late: boolean;
  readonly shadow: boolean;
}

const value = z.union([z.number(), z.string(), z.boolean(), z.null()]);

export const derivedSchema = z.object({
  id: z.string().min(1),
  kind: z.enum(["derived", "timer"]),
  name: z.string(),
  rule: z.string(),
  ruleVersion: z.string(),
  gateway: z.string(),
  device: z.string(),
  metric: z.string(),
  at: z.number(),
  receivedAt: z.number(),
  value,
  unit: z.string().optional(),
  reason: z.string(),
  causes: z.array(z.string()),
  late: z.boolean(),
  shadow: z.boolean(),
});

/** Those of one commit. */
const messageSchema = z.object({ v: z.literal(1), events: z.array(derivedSchema) });

/** The events of a message on `derived.>`; throws BATCH_MALFORMED. */
export function decodeDerivedMessage(text: string): readonly DerivedEvent[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (failure) {
    const what = "a message of derived events that is no JSON";
    throw new CodedError("BATCH_MALFORMED", what, { cause: failure });
  }
  const checked = messageSchema.safeParse(parsed);
  if (checked.success) return checked.data.events.map((event) => ({ ...event, unit: event.unit }));
  const [issue] = checked.error.issues;
  const where = issue?.path.join(".") ?? "";
  throw new CodedError("BATCH_MALFORMED", `derived events: ${where}: ${issue?.message}`);
}
