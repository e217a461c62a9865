import { CodedError } from "./errors.ts";

/** Stops the process by an error that nobody catches when a thing that must hold does not. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new CodedError("INTERNAL_INVARIANT", message);
}

/** The end of an exhaustive switch: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new CodedError("INTERNAL_INVARIANT", `unexpected ${JSON.stringify(value)}`);
}
