/**
 * How the numbers of a state become text and come back exactly, -0 and all (D2).
 *
 *     "cusum1:" + base64 of | double | double | … | float | float | …      little-endian
 *
 * The tag names the detector and the version of its state, so that no state is taken for another's.
 * A double takes 11 characters, a float 5⅓; JSON's decimals would take up to 24.
 */
import { Buffer } from "node:buffer";
import type { Detector } from "./detector.ts";

const doubleBytes = 8;
const floatBytes = 4;
const base64Bytes = 3;
const base64Characters = 4;

export interface Unpacked {
  readonly numbers: readonly number[];
  readonly floats: Float32Array;
}

export function pack(tag: string, numbers: readonly number[], floats?: Float32Array): string {
  const { length } = numbers;
  const bytes = Buffer.alloc(length * doubleBytes + (floats?.length ?? 0) * floatBytes);
  let at = 0;
  for (const number of numbers) at = bytes.writeDoubleLE(number, at);
  for (const number of floats ?? []) at = bytes.writeFloatLE(number, at);
  return `${tag}:${bytes.toString("base64")}`;
}

/** Undefined where `json` is not `counts` finite numbers under this tag. */
export function unpack(
  tag: string,
  json: unknown,
  counts: { readonly numbers: number; readonly floats?: number },
): Unpacked | undefined {
  if (typeof json !== "string" || !json.startsWith(`${tag}:`)) return undefined;
  const { numbers: doubles, floats: singles = 0 } = counts;
  const length = doubles * doubleBytes + singles * floatBytes;
  const text = json.slice(tag.length + 1);
  if (text.length !== Math.ceil(length / base64Bytes) * base64Characters) return undefined;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== length) return undefined;
  const numbers = Array.from({ length: doubles }, (_, at) => bytes.readDoubleLE(at * doubleBytes));
  const head = doubles * doubleBytes;
  const floats = Float32Array.from({ length: singles }, (_, at) =>
    bytes.readFloatLE(head + at * floatBytes),
  );
  const areFinite = numbers.every(Number.isFinite) && floats.every(Number.isFinite);
  return areFinite ? { numbers, floats } : undefined;
}

export type Codec<State> = Pick<Detector<State>, "initial" | "encode" | "decode">;

/** For a state that is a plain object of numbers; their order is that of the fresh one. */
export function fieldsCodec<State extends { [Name in keyof State]: number }>(
  tag: string,
  fresh: () => State,
): Codec<State> {
  const names = Object.keys(fresh()) as (keyof State)[];
  return {
    initial: fresh,
    encode: (state) =>
      pack(
        tag,
        names.map((name) => state[name]),
      ),
    decode(json) {
      const found = unpack(tag, json, { numbers: names.length });
      if (found === undefined) return undefined;
      const state = fresh();
      names.forEach((name, index) => {
        state[name] = (found.numbers[index] ?? 0) as State[typeof name];
      });
      return state;
    },
  };
}
