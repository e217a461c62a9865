/** Lets every promise that can settle do so: the event loop turns only once they all have. */
export function drain(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
