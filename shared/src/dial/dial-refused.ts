/** A dial that somebody on the way has answered with a no. */
import { CodedError, type ErrorCode } from "../errors.ts";

/** Who asks for more than this is asked again by then. */
const retryAfterMsMax = 15 * 60_000;

export class DialRefused extends CodedError {
  /** When the one who refused wants to be asked again. */
  readonly retryAfterMs: number | undefined;

  /** `retryAfter` as in HTTP, in seconds; a date is not understood, for the clock may be wrong. */
  constructor(code: ErrorCode, message: string, retryAfter?: string) {
    super(code, message);
    const isSeconds = retryAfter !== undefined && /^[0-9]{1,9}$/.test(retryAfter.trim());
    this.retryAfterMs = isSeconds
      ? Math.min(retryAfterMsMax, Number(retryAfter) * 1_000)
      : undefined;
  }
}
