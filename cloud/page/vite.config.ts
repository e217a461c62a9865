// Builds the page to dist/: a document, and files under assets/ that bear a hash of what they hold,
// each beside itself compressed, since that is done better once than at every request.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { defineConfig } from "vite";

const dist = join(import.meta.dirname, "dist");

const compressed: Plugin = {
  name: "compressed",
  apply: "build",
  closeBundle() {
    for (const folder of [dist, join(dist, "assets")]) {
      for (const name of readdirSync(folder)) {
        if (!/\.(?:html|js|css|svg)$/.test(name)) continue;
        const content = readFileSync(join(folder, name));
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
        writeFileSync(join(folder, `${name}.br`), brotliCompressSync(content, { params }));
        writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
      }
    }
  },
};

/**
 * What no chart of ours draws would be a tenth of what a visitor fetches: other curves, a legend, scales
 * of other kinds, dates in words. With these told to be never, the bundler finds what hangs on them.
 */
const neverDrawn: readonly (readonly [said: RegExp, instead: string])[] = [
  [/\(paths\.(?:bars|spline) {2,}= \w+\);/g, ""],
  [/uPlot\.(?:join|fmtDate|tzDate|sync|rangeLog|rangeAsinh|orient|addGap|clipGaps) *= \w+;/g, ""],
  [/const showLegend = legend\.show;/g, "const showLegend = false;"],
  [/\b\w+\.distr *== *(?:2|3|4|100)\b/g, "false"],
  [/\bdistr *== *(?:2|3|4|100)\b/g, "false"],
  [/\b\w+\.distr *>= *3\b/g, "false"],
  [/\(ms == 1 \?/g, "(true ?"],
  [/= timeAxisVals\(.*\);/g, "= null;"],
  [/= timeSeriesVal\(.*\);/g, "= null;"],
  [/timeAxisVals?\(_tzDate, (?:timeAxisStamps\(av, _fmtDate\)|av)\)/g, "av"],
  [/timeSeriesVal\(_tzDate, timeSeriesStamp\(sv, _fmtDate\)\)/g, "sv"],
  [/const _fmtDate = .*;/g, ""],
  [/const cursorFocus = focus\.prox >= 0;/g, "const cursorFocus = false;"],
];

const fewerPaths: Plugin = {
  name: "fewer-paths",
  transform(code, id) {
    if (!id.endsWith("uPlot.esm.js")) return undefined;
    return neverDrawn.reduce((text, [said, instead]) => {
      if (text.search(said) < 0) this.error(`uPlot no longer says ${said}`);
      return text.replace(said, instead);
    }, code);
  },
};

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  logLevel: "warn",
  plugins: [fewerPaths, compressed],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2023",
    // These know light-dark().
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    emptyOutDir: true,
  },
});
