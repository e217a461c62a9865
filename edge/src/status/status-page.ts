/** The gateway's status as one page without scripts, for any browser and a narrow screen. */
import type { EdgeStatus, Section } from "./edge-status.ts";
import { healthOf, sectionsOf } from "./edge-status.ts";

const style = `:root{color-scheme:light dark;--line:#d5d9de;--soft:#5a6470;--good:#0a7a3d;--bad:#b3261e;
font:16px/1.45 system-ui,sans-serif}
@media (prefers-color-scheme:dark){:root{--line:#3a4048;--soft:#a3adb8;--good:#4cc38a;--bad:#ff8a80}}
body{max-width:44rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.35rem;margin:.2rem 0 .8rem}h2{font-size:1rem;margin:1.6rem 0 .2rem}
.health{border:1px solid;border-left-width:.5rem;border-radius:.3rem;padding:.5rem .8rem;margin:0}
.good{color:var(--good)}.bad{color:var(--bad)}.health ul{margin:.3rem 0 0;padding-left:1.1rem}
dl{margin:0}dl div{display:flex;gap:.2rem 1rem;border-top:1px solid var(--line);padding:.3rem 0}
dt{flex:0 0 14rem;color:var(--soft)}dd{margin:0;font-variant-numeric:tabular-nums}
@media (max-width:32rem){dl div{display:block}}`;

export function statusPage(status: EdgeStatus): string {
  const title = `Gateway ${escapeHtml(status.gateway)}`;
  const sections = sectionsOf(status).map(sectionHtml).join("");
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="5"><style>${style}</style></head>
<body><main><h1>${title}</h1>${healthHtml(status)}${sections}</main></body></html>`;
}

function healthHtml(status: EdgeStatus): string {
  const { isHealthy, reasons } = healthOf(status);
  if (isHealthy) return `<p class="health good">Healthy</p>`;
  const list = reasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join("");
  return `<div class="health bad" role="status">Unhealthy<ul>${list}</ul></div>`;
}

function sectionHtml({ title, rows }: Section): string {
  const list = rows.map(
    ([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<section><h2>${escapeHtml(title)}</h2><dl>${list.join("")}</dl></section>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
