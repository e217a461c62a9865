/**
 * The contract as JSON Schema (2020-12), for programs that do not use zod; kept in shared/schema/.
 *
 *   event.v1.json               an event as an outbox and a batch hold it
 *   reading.v1.json             one reading of it
 *   cloudevents/<kind>.v1.json  the `data` of a CloudEvent, as its `dataschema` names it
 *
 * They describe what may be written: unknown keys are allowed, since readers skip them.
 */
import { z } from "zod";
import { dataSchemaOf } from "./cloudevents.ts";
import { eventSchema, eventVersion, readingSchema } from "./event.ts";

/** File names below shared/schema/ and their texts. */
export function schemaFiles(): ReadonlyMap<string, string> {
  const files = new Map([
    [
      `event.v${eventVersion}.json`,
      textOf(eventSchema, `urn:causeway:schema:event:v${eventVersion}`),
    ],
    [
      `reading.v${eventVersion}.json`,
      textOf(readingSchema, `urn:causeway:schema:event-reading:v${eventVersion}`),
    ],
  ]);
  for (const option of eventSchema.options) {
    const kind = option.shape.kind.value;
    // `device` is the CloudEvent's source and `kind` its type; `bootMs` has become `receivedAt`.
    const { kind: _kind, device: _device, bootMs: _bootMs, ...shape } = option.shape;
    const data = z.object({ ...shape, receivedAt: z.number() });
    files.set(`cloudevents/${kind}.v${eventVersion}.json`, textOf(data, dataSchemaOf(kind)));
  }
  return files;
}

function textOf(schema: z.ZodType, id: string): string {
  // As input: the output form would forbid unknown keys.
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input" });
  const text = JSON.stringify({ $schema, $id: id, ...rest }, null, 2);
  return `${text.replaceAll(/^(.*\[)\s+("[^[\]{}]*")\s+(\],?)$/gm, joinWords)}\n`;
}

const columnsMax = 100;

/** A list of words on one line where it fits, as the formatter of the repository wants it. */
function joinWords(lines: string, start: string, words: string, end: string): string {
  const line = `${start}${words.replaceAll(/,\s+/g, ", ")}${end}`;
  return line.length <= columnsMax ? line : lines;
}
