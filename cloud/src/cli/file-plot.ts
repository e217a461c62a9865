/** Where a plot goes: `-` is the terminal, anything else an SVG file. */
import { writeFile } from "node:fs/promises";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Chart } from "../plot/chart.ts";
import { svgOf } from "../plot/svg.ts";
import { terminalOf } from "../plot/terminal.ts";

export const terminalPlot = "-";
const columnsWithoutTerminal = 100;

/** Throws OUTPUT_UNWRITABLE. */
export async function showPlot(chart: Chart, where: string): Promise<void> {
  if (where === terminalPlot) {
    process.stdout.write(
      terminalOf(chart, { width: process.stdout.columns ?? columnsWithoutTerminal }),
    );
    return;
  }
  try {
    await writeFile(where, svgOf(chart));
  } catch (failure) {
    throw new CodedError("OUTPUT_UNWRITABLE", `${where}: ${reasonOf(failure)}`);
  }
}
