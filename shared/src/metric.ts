/** One figure for Prometheus; those of one name differ in the values of their labels. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge";
  readonly value: number;
  /** The same keys in every metric of one name. */
  readonly labels?: Labels;
}

type Labels = Readonly<Record<string, string>>;

/** What makes metrics whose names begin with `prefix`. */
export function metricsOf(prefix: string) {
  const of =
    (kind: Metric["kind"]) =>
    (name: string, help: string, value: number, labels: Labels = {}): Metric => {
      return { name: prefix + name, help, kind, value, labels };
    };
  return { gauge: of("gauge"), counter: of("counter") };
}
