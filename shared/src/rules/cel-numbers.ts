/** Whole numbers beside doubles in expressions: CEL itself knows no operator between the two. */
import type { Environment } from "@marcbachmann/cel-js";

type Numeric = number | bigint;

const operate: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};

export function mixNumbers(environment: Environment): void {
  for (const [operator, act] of Object.entries(operate)) {
    const handler = (a: Numeric, b: Numeric) => act(Number(a), Number(b));
    environment.registerOperator(`double ${operator} int: double`, handler);
    environment.registerOperator(`int ${operator} double: double`, handler);
  }
  environment.registerOperator("double % double: double", (a: number, b: number) => a % b);
  const isSame = (a: Numeric, b: Numeric) => Number(a) === Number(b);
  // The other order, and `!=`, follow from it.
  environment.registerOperator("double == int: bool", isSame);
  const isIn = (one: Numeric, list: readonly Numeric[]) => list.some((other) => isSame(other, one));
  environment.registerOperator("double in list<int>: bool", isIn);
  environment.registerOperator("int in list<double>: bool", isIn);
}
