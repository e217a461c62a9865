/** The gateway's pages: without scripts, for any browser and a narrow screen, each below 15 kB. */

export const pageBytesMax = 15_000;

const style = `:root{color-scheme:light dark;--line:#d5d9de;--soft:#5a6470;--good:#0a7a3d;--bad:#b3261e;
font:16px/1.45 system-ui,sans-serif}
@media (prefers-color-scheme:dark){:root{--line:#3a4048;--soft:#a3adb8;--good:#4cc38a;--bad:#ff8a80}}
body{max-width:44rem;margin:0 auto;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.35rem;margin:.2rem 0 .8rem}h2{font-size:1rem;margin:1.6rem 0 .2rem}
.health{border:1px solid;border-left-width:.5rem;border-radius:.3rem;padding:.5rem .8rem;margin:0}
.good{color:var(--good)}.bad{color:var(--bad)}.health ul{margin:.3rem 0 0;padding-left:1.1rem}
a{color:inherit}dl{margin:0}dl div{display:flex;gap:.2rem 1rem;border-top:1px solid var(--line);padding:.3rem 0}
dt{flex:0 0 14rem;color:var(--soft)}dd{margin:0;font-variant-numeric:tabular-nums}
pre{white-space:pre-wrap;margin:.3rem 0;padding:.5rem;border:1px solid var(--line);font-size:.9rem}
@media (max-width:32rem){dl div{display:block}}`;

/** It comes again by itself. */
export function pageHtml(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="5"><style>${style}</style></head>
<body><main><h1>${title}</h1>${body}</main></body></html>`;
}

/** Name and value, both of them HTML. */
export type RowHtml = readonly [name: string, value: string];

export function sectionHtml(title: string, rows: readonly RowHtml[]): string {
  return `<section><h2>${title}</h2><dl>${rows.map(rowHtml).join("")}</dl></section>`;
}

export function rowHtml([name, value]: RowHtml): string {
  return `<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

/** As many of the parts as there is room for, from the first on. */
export function fitting(parts: readonly string[], bytesMax: number): readonly string[] {
  let bytes = 0;
  return parts.filter((part) => {
    bytes += Buffer.byteLength(part);
    return bytes <= bytesMax;
  });
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
