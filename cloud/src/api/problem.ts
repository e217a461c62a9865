/** Errors as `application/problem+json` (RFC 9457). */
export const problemType = "application/problem+json";

export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
}

const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

export function problem(status: number, detail?: string): Problem {
  const title = titles[status] ?? (status < 500 ? "Bad Request" : "Internal Server Error");
  return { type: "about:blank", title, status, ...(detail === undefined ? {} : { detail }) };
}
