/** Errors as `application/problem+json` (RFC 9457). */
export const problemType = "application/problem+json";

export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /** One of docs/errors.md. */
  readonly code?: string;
  /** What is wrong with a request, place by place. */
  readonly errors?: readonly RequestFault[];
}

export interface RequestFault {
  /** Such as `query.limit`. */
  readonly path: string;
  readonly message: string;
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export function problem(
  status: number,
  detail?: string,
  more: Pick<Problem, "code" | "errors"> = {},
): Problem {
  const title = titles[status] ?? (status < 500 ? "Bad Request" : "Internal Server Error");
  const told = detail === undefined ? {} : { detail };
  return { type: "about:blank", title, status, ...told, ...more };
}

/** Thrown by a route: what was asked for is not to be had. */
export class Refused extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, detail: string) {
    super(detail);
    this.name = "Refused";
    this.statusCode = statusCode;
  }
}

/** By the code of what was thrown; all others are faults of this process. */
export const statusOfCode: Readonly<Record<string, number>> = {
  ALERT_UNKNOWN: 404,
  COMMANDS_FULL: 429,
  COMMAND_INVALID: 400,
  COMMAND_TAKEN: 409,
  COMMAND_UNKNOWN: 404,
  CONFIG_INVALID: 422,
  CONFIG_UNREADABLE: 422,
  DEAD_LETTERS_BUSY: 503,
  DEAD_LETTER_UNKNOWN: 404,
  DEVICE_UNKNOWN: 404,
  HISTORY_BUSY: 429,
  HISTORY_QUERY_REFUSED: 400,
  HISTORY_UNAVAILABLE: 503,
  NATS_UNREACHABLE: 503,
  OPERATION_INVALID: 400,
  RULES_CHANGED: 412,
  RULES_UNKNOWN: 404,
  SILENCE_UNKNOWN: 404,
  STREAM_FULL: 503,
};
