/** What `score --plot` shows: the values, their scores, and when the detector called them anomalous. */
import type { Chart } from "../plot/chart.ts";
import { Gathered, GatheredSpans } from "../plot/thin.ts";
import type { ScoredRow, ScoreSettings } from "./score.ts";

/** More columns than these could not be told apart. */
const panelsMax = 8;
const limit = 0.5;

export class ScoreChart {
  readonly #input: string;
  readonly #settings: ScoreSettings;
  readonly #values: readonly { readonly label: string; readonly gathered: Gathered }[];
  readonly #scores = new Gathered();
  readonly #anomalous = new GatheredSpans();

  constructor(input: string, settings: ScoreSettings) {
    this.#input = input;
    this.#settings = settings;
    const shown = settings.values.slice(0, panelsMax);
    this.#values = shown.map((label) => ({ label, gathered: new Gathered() }));
  }

  add({ timeMs, values, score, isAnomalous }: ScoredRow): void {
    for (const [index, { gathered }] of this.#values.entries()) {
      const value = values[index];
      if (value !== undefined) gathered.add([timeMs, value]);
    }
    this.#scores.add([timeMs, score]);
    this.#anomalous.note(timeMs, isAnomalous);
  }

  chart(): Chart {
    const { detector, values } = this.#settings;
    const left = values.length - this.#values.length;
    const more = left > 0 ? `, and ${left} columns more` : "";
    const series = this.#values.map(({ label, gathered }) => ({ label, points: gathered.points }));
    const bands = [{ label: `${limit} is the limit`, low: limit, high: 1 }];
    return {
      title: `${this.#input} by ${detector}${more}`,
      series: [...series, { label: "anomaly_score", points: this.#scores.points, bands }],
      marks: [],
      rows: [{ label: "anomalous", spans: this.#anomalous.spans }],
    };
  }
}
