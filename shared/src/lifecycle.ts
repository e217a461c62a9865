/** Starts parts in order and stops them in reverse; a failed start stops what was started. */
export interface Part {
  readonly name: string;
  start(): Promise<void> | void;
  stop(): Promise<void> | void;
}

export interface Lifecycle {
  stop(): Promise<void>;
}

/** Every part is stopped even when one fails to; the first failure is thrown at the end. */
export async function startAll(parts: readonly Part[]): Promise<Lifecycle> {
  const started: Part[] = [];
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= stopAll(started);
    return stopping;
  };
  for (const part of parts) {
    try {
      await part.start();
      started.push(part);
    } catch (failure) {
      await stop().catch(() => {}); // the failed start is the news
      throw failure;
    }
  }
  return { stop };
}

async function stopAll(started: Part[]): Promise<void> {
  const failures: unknown[] = [];
  for (const part of started.reverse()) {
    try {
      await part.stop();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw failures[0];
}
