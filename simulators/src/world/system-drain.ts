/** Turns of the event loop are dear, and yet a test's own time limit needs one now and then. */
const actsOfTurn = 2_000;
let acts = 0;

/**
 * Lets every promise that can settle do so: what is asked for by `nextTick` from within a promise
 * comes only once no promise is left that can.
 */
export function drain(): Promise<void> {
  const isTurn = ++acts % actsOfTurn === 0;
  return new Promise((resolve) => {
    if (isTurn) setImmediate(resolve);
    else process.nextTick(resolve);
  });
}
