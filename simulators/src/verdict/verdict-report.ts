/** A verdict for people and for programs. */
import type { VerdictResult } from "./verdict.ts";

export function verdictJson(result: VerdictResult): string {
  return JSON.stringify(result);
}

export function verdictText(result: VerdictResult): string {
  const { good, acked, taken, lost, repeated, misordered, late, resent } = result;
  const { unacknowledged, unreadable, lateness, examples } = result;
  const lines = [
    `acknowledged    ${acked}`,
    `taken           ${taken}`,
    `lost            ${lost}`,
    `repeated        ${repeated}`,
    `misordered      ${misordered}`,
    `late            ${late}`,
    `re-sent         ${resent}`,
    `unacknowledged  ${unacknowledged}`,
  ];
  if (unreadable > 0) lines.push(`unreadable      ${unreadable}`);
  if (lateness !== null) {
    const { p50Ms, p99Ms } = lateness;
    lines.push(`lateness        p50 ${p50Ms} ms, p99 ${p99Ms} ms (received minus acknowledged)`);
  }
  for (const [finding, few] of Object.entries(examples)) {
    for (const { device, seq, detail } of few) {
      lines.push(`  ${finding}: ${[device, seq ?? "", detail].join(" ").trim()}`);
    }
  }
  lines.push(good ? "good" : acked === 0 ? "bad: nothing was acknowledged" : "bad");
  return lines.join("\n");
}
