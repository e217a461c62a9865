/**
 * Logarithm and exponential from plain arithmetic: `Math.log` and `Math.exp` differ between builds
 * in the last digit, and a verdict may hang on it (D1). Good to about 15 digits.
 */

const ln2 = Math.LN2;
const root2 = Math.SQRT2;
/** Terms of the series; |s| ≤ 0.172, so what is left out is below 1e-16. */
const terms = 10;
const exponentMax = 700;

/** Of a positive number; smaller ones than 1e-300 count as that. */
export function ln(x: number): number {
  let mantissa = Math.min(Number.MAX_VALUE, Math.max(1e-300, x));
  let exponent = 0;
  for (let step = 512, factor = 2 ** 512; step >= 1; step /= 2, factor = Math.sqrt(factor)) {
    if (mantissa >= factor) {
      mantissa /= factor;
      exponent += step;
    } else if (mantissa * factor < 2) {
      mantissa *= factor;
      exponent -= step;
    }
  }
  if (mantissa > root2) {
    mantissa /= 2;
    exponent += 1;
  }
  const s = (mantissa - 1) / (mantissa + 1);
  const squared = s * s;
  let sum = 0;
  for (let term = terms; term >= 0; term--) sum = sum * squared + 1 / (2 * term + 1);
  return exponent * ln2 + 2 * s * sum;
}

/** Bounded by e^±700. */
export function exp(x: number): number {
  const bounded = Math.min(exponentMax, Math.max(-exponentMax, x));
  const doublings = Math.round(bounded / ln2);
  const rest = bounded - doublings * ln2;
  let sum = 1;
  for (let term = 2 * terms; term >= 1; term--) sum = 1 + (sum * rest) / term;
  return sum * 2 ** doublings;
}
