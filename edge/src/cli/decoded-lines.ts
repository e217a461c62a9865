/** What the gateway makes of a device's message, without a gateway that runs. Pure. */
import { Decoder } from "@causeway/shared/decode/decode.ts";
import type { Learnt } from "@causeway/shared/decode/memory.ts";
import type { Routes } from "@causeway/shared/mapping/routes.ts";
import type { DecodedLine } from "../inspect/decoded-line.ts";
import { linesOf } from "../inspect/decoded-line.ts";

export interface DeviceMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
}

export interface DecodeSetting {
  readonly routes: Routes | undefined;
  readonly presentMs: () => number;
}

/** Of the last message; the others are learnt from before it, as births and discovery are. */
export function decodedLines(
  before: readonly DeviceMessage[],
  message: DeviceMessage,
  { routes, presentMs }: DecodeSetting,
): readonly DecodedLine[] {
  const decoder = new Decoder(routes);
  const memory = new Map<string, unknown>();
  const read = ({ topic, payload }: DeviceMessage) => {
    const decoded = decoder.decode(topic, payload, { memory, presentMs });
    for (const learnt of decoded.learnt ?? []) learn(memory, learnt);
    return decoded;
  };
  for (const one of before) read(one);
  return linesOf(read(message));
}

function learn(memory: Map<string, unknown>, { key, value }: Learnt): void {
  if (value === undefined) memory.delete(key);
  else memory.set(key, value);
}
